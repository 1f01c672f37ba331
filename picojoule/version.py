"""The version of the package: what is stored names the version that made it."""

VERSION = "0.2.0"
