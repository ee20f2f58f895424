"""Foreign bytes at every place where rotator reads: no traceback, no hang, and no other rotation is stopped."""
