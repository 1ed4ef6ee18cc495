//! A call of any method of the hub's services with an empty message, to see who is let in where.

use barefoot_trust::TlsPaths;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Status};

use super::Error;

/// An empty message, and whatever comes back thrown away.
#[derive(Debug, Default, Clone, Copy)]
struct Nothing;

impl Codec for Nothing {
    type Encode = ();
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Nothing {
    type Item = ();
    type Error = Status;

    fn encode(&mut self, (): (), _: &mut EncodeBuf<'_>) -> Result<(), Status> {
        Ok(())
    }
}

impl Decoder for Nothing {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        use prost::bytes::Buf as _;
        from.advance(from.remaining());
        Ok(Some(()))
    }
}

/// The name of the code that comes back, `Ok` among them, of `/package.Service/Method` called by this identity.
///
/// # Errors
/// When the identity cannot be read, or the method is no path.
pub async fn call_any_method(hub: &str, identity: &TlsPaths, method: &str) -> Result<String, Error> {
    let channel = barefoot_edge::federated::channel(hub, identity)?;
    let path = PathAndQuery::try_from(method).map_err(|error| Status::invalid_argument(error.to_string()))?;
    let mut calls = Grpc::new(channel);
    let code = match calls.ready().await {
        Err(_) => "Unreachable".to_owned(),
        Ok(()) => match calls.server_streaming(Request::new(()), path, Nothing).await {
            Ok(_) => "Ok".to_owned(),
            Err(status) => format!("{:?}", status.code()),
        },
    };
    Ok(code)
}
