"""The engine: observe, decide, act, record, again until Wait. It knows the core and the ports, no system."""
