//! The listening socket, and why there is none.

use std::io;
use std::net::{SocketAddr, TcpListener};

/// Listens. The socket closes in programs that the app starts, and every shadow replaces it at once.
pub(crate) fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// The address as one asks for it.
pub(crate) fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// Why there is no listening socket, for a person.
pub(crate) fn because(address: SocketAddr, error: &io::Error) -> String {
    let again = "it is tried again every 5 s";
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "another process listens at {address}, in a cluster the worker that came first: http://{address}/healthz says which; {again}"
        ),
        _ => format!("cannot listen at {address}: {error}; {again}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_address_is_told_as_such() {
        let (listener, address) = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(address.port(), 0);
        let error = listen(address).unwrap_err();
        assert!(because(address, &error).starts_with("another process listens at 127.0.0.1:"), "{error}");
        drop(listener);
        assert!(listen(address).is_ok());
        let error = listen("192.0.2.1:1".parse().unwrap()).unwrap_err();
        assert!(because(address, &error).starts_with("cannot listen at "), "{error}");
        assert_eq!(url("[::1]:5".parse().unwrap()), "http://[::1]:5");
    }
}
