"""The names that these functions had before they moved to vmafsal.files."""

from __future__ import annotations

from vmafsal.files import WholeFile as LogFile
from vmafsal.files import check_destination, open_output, output_error
from vmafsal.streams import open_stream, silence

open_log = open_output

__all__ = ["LogFile", "check_destination", "open_log", "open_stream", "output_error", "silence"]
