"""What is measured of a database, over its own protocol and with an account that may do no more than look."""
