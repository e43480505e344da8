"""The pool of a Ray cluster: its driver is a child process of the campaign, an actor has a device.

The campaign's process has `pool`, which talks with `bridge`, Ray's driver, in lines of JSON. The
bridge makes an `actor` for each device, which brings the campaign's package and data set to its
node (`transfer`) and carries out orders by `node`, out of that package.
"""
