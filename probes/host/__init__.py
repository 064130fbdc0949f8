"""What is measured on a machine: this one, one reached over SSH, or one with an exporter."""
