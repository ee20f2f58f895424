"""The explorer of faults: a whole life of a credential, with a fault at every call to the outside.

The product runs unchanged: its clients speak to the API emulator, to the contract servers of providers and to a Vault in
this process, which is compared with a real OpenBao. They do so through a transport that can kill the run, lose a reply,
refuse, stall, let another run in between, or hand the lease to somebody else. Beside it runs real traffic with the most
hostile caches that the policy allows, and an observer that checks the invariants after every call. The observer knows the
design, not the code.
"""
