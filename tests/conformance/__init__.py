"""Rules that hold for every probe and every verdict, each named after where a peer breaks it."""
