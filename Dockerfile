# Predicts with an exported network; nothing else is inside (no torch):
#   docker build -t schanger .
#   docker run --rm -v "$PWD:/data" --user "$(id -u)" schanger model.onnx before.tif after.tif --out changes
FROM python:3.11-slim
# rasterio and pyogrio need the system's libexpat, which this image no longer has.
RUN apt-get update && apt-get install -y --no-install-recommends libexpat1 && rm -rf /var/lib/apt/lists/*
COPY . /src
RUN pip install --no-cache-dir -c /src/requirements/constraints.txt "/src[predict]" && rm -rf /src
WORKDIR /data
ENTRYPOINT ["schanger", "predict"]
