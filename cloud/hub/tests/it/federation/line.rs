use barefoot_trust::TlsIdentity;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

/// A connection to the hub's gRPC port, made when it is first needed.
pub(crate) fn channel(identity: &TlsIdentity, port: u16) -> Channel {
    let tls = TlsConnector::from(identity.http2_client_config().unwrap());
    let connect = tower::service_fn(move |_: Uri| {
        let tls = tls.clone();
        async move {
            let socket = TcpStream::connect(("127.0.0.1", port)).await?;
            socket.set_nodelay(true)?;
            let name = ServerName::try_from("localhost").unwrap();
            Ok::<_, std::io::Error>(TokioIo::new(tls.connect(name, socket).await?))
        }
    });
    Endpoint::from_static("https://localhost")
        .initial_stream_window_size(4 * 1024 * 1024)
        .initial_connection_window_size(8 * 1024 * 1024)
        .connect_with_connector_lazy(connect)
}
