"""Identity providers and directories, one file a system: how a version is accepted there, and how it is withdrawn."""
