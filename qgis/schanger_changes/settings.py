# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings, in Settings > Options > Processing > Providers, and where the cache is."""

from pathlib import Path

from qgis.core import QgsSettings
from qgis.PyQt.QtCore import QStandardPaths

from .command import CommandError
from .installation import find_command, installed_parts

COMMAND = 'SCHANGER_COMMAND'
KEY = f'Processing/Configuration/{COMMAND}'  # where Processing keeps a setting of this name


def add_settings(group, icon):
    """Show the settings of the provider ``group``, with its icon, in the options of Processing."""
    from processing.core.ProcessingConfig import ProcessingConfig, Setting
    ProcessingConfig.settingIcons[group] = icon
    ProcessingConfig.addSetting(Setting(group, COMMAND, 'The command schanger (empty: the one on the PATH)', '',
                                        valuetype=Setting.FILE))
    ProcessingConfig.readSettings()


def remove_settings(group):
    """Hide the settings; their values are kept."""
    from processing.core.ProcessingConfig import ProcessingConfig
    ProcessingConfig.removeSetting(COMMAND)
    ProcessingConfig.settingIcons.pop(group, None)


def command():
    """Return the path of the command.

    Raises:
        CommandError: the setting names no file, or there is none on the PATH.
    """
    return find_command(QgsSettings().value(KEY, '', type=str))


def set_command(path):
    """Keep the path of the command."""
    from processing.core.ProcessingConfig import ProcessingConfig
    ProcessingConfig.setSettingValue(COMMAND, str(path))
    QgsSettings().setValue(KEY, str(path))


def parts():
    """Return a few words about what the command can run, for the label of the model."""
    try:
        return installed_parts(command())
    except CommandError:
        return 'the command schanger is missing'


def cache_root():
    """Return the folder of temporary results, `schanger_changes` in the user's cache."""
    return Path(QStandardPaths.writableLocation(QStandardPaths.GenericCacheLocation), 'schanger_changes')
