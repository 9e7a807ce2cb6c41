"""Configuration as typed data: files, overrides and the names users give. No torch here."""
