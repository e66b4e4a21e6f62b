"""Small helpers that every room may use: files, texts, errors, images, devices."""
