//! Everything that touches a socket: listeners, TLS, timers, and the one driver that runs any session.
