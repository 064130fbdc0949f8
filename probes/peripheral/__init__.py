"""What hangs on a counter or in the field: printers, card readers, meters, payment terminals, the hotline."""
