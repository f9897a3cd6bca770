"""Files that are compressed as a whole, read by range: from the nearest restart point on."""
