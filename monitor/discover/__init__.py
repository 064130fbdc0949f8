"""What answers in a range of addresses, proposed as inventory for a person to review. It changes nothing.

ranges (which addresses) > sweep (what answers) > guess (what it is) > propose (YAML with the evidence)
"""
