//! Everything that touches a socket: listeners, TLS, timers, the one driver for any session.
