//! Who is shut out is cut on every port and stays out, the others go on.

use barefoot_trust::{Fingerprint, Role, TlsIdentity};
use barefoot_wire::v1::federation_client::FederationClient;
use barefoot_wire::v1::holder::Who;
use barefoot_wire::v1::sites_client::SitesClient;
use barefoot_wire::{topics, v1};
use prost::Message;
use rumqttc::v5::mqttbytes::v5::ConnectReturnCode;
use rumqttc::v5::{ConnectionError, StateError};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::Code;
use tonic::transport::Channel;

use crate::broker::{hub_settings, mosquitto, receipted};
use crate::federation::channel;
use crate::support::{ClinicBox, DEADLINE, Hub, Region, clinic, envelope, result};

const EMBEDDED: &str = "endpoint = \"embedded\"\nlisten = \"127.0.0.1:0\"\n";

fn holder(who: Who) -> v1::Holder {
    v1::Holder { who: Some(who) }
}

fn of_clinic(name: &str) -> v1::Holder {
    holder(Who::Clinic(name.into()))
}

fn of_person(role: Role, name: &str) -> v1::Holder {
    holder(Who::Person(v1::CertifiedPerson {
        role: role.unit().into(),
        name: name.into(),
    }))
}

fn of_certificate(identity: &TlsIdentity) -> v1::Holder {
    let certificate = CertificateDer::from(identity.certificate());
    holder(Who::CertificateSha256(Fingerprint::of(&certificate).0.to_vec()))
}

struct Operator(SitesClient<Channel>);

impl Operator {
    fn of(region: &Region, hub: &Hub) -> Self {
        let wang = region.person(Role::Operator, "wang");
        Self(SitesClient::new(channel(&wang, hub.grpc)))
    }

    async fn revoke(&mut self, holder: v1::Holder) -> Result<(), tonic::Status> {
        let request = v1::RevokeRequest {
            holder: Some(holder),
            reason: "stolen".into(),
        };
        self.0.revoke(request).await.map(drop)
    }

    async fn restore(&mut self, holder: v1::Holder) -> Result<(), tonic::Status> {
        let holder = Some(holder);
        self.0.restore(v1::RestoreRequest { holder }).await.map(drop)
    }
}

/// A connection to the port for images, open until somebody ends it.
async fn images(hub: &Hub, identity: &TlsIdentity) -> Option<TlsStream<TcpStream>> {
    let socket = TcpStream::connect(("127.0.0.1", hub.images.unwrap()))
        .await
        .unwrap();
    let tls = TlsConnector::from(identity.client_config().unwrap());
    let mut stream = tls
        .connect(ServerName::try_from("localhost").unwrap(), socket)
        .await
        .ok()?;
    // In TLS 1.3 the client has shaken hands before the server has looked.
    let request = b"GET /nowhere HTTP/1.1\r\nHost: hub\r\n\r\n";
    stream.write_all(request).await.ok()?;
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.ok()?;
    assert_eq!(&first, b"HTTP/1.1 404");
    Some(stream)
}

async fn is_refused(identity: &TlsIdentity, name: &str, port: u16) -> bool {
    let mut again = ClinicBox::new(identity, name, port);
    match again.incoming().await {
        Err(
            ConnectionError::ConnectionRefused(ConnectReturnCode::NotAuthorized)
            | ConnectionError::MqttState(StateError::ConnFail {
                reason: ConnectReturnCode::NotAuthorized,
            }),
        ) => true,
        Ok(_) => false,
        Err(error) => panic!("{error}"),
    }
}

/// Whether a call of this identity gets an answer of the hub, whatever it says.
async fn is_answered(calls: &mut FederationClient<Channel>) -> bool {
    let task = calls.pull_task(v1::PullTaskRequest::default()).await;
    // A connection that ends is one of these, by the moment at which it does.
    task.err()
        .is_none_or(|status| !matches!(status.code(), Code::Unavailable | Code::Unknown))
}

async fn calls_in(identity: &TlsIdentity, port: u16) -> bool {
    is_answered(&mut FederationClient::new(channel(identity, port))).await
}

#[tokio::test]
async fn a_revoked_box_is_cut_and_kept_out_of_every_port() {
    let region = Region::new();
    let text = region.config_text(EMBEDDED);
    let hub = region
        .start_as(&format!("{text}\n[images]\nlisten = \"127.0.0.1:0\"\n"))
        .await;
    let mut operator = Operator::of(&region, &hub);
    let stolen = region.identity("clinic-7");
    let mut line = ClinicBox::new(&stolen, "clinic-7", hub.port());
    line.subscribe(&topics::down_filter(&clinic("clinic-7")))
        .await
        .unwrap();
    let mut sending = images(&hub, &stolen).await.unwrap();
    let mut calls = FederationClient::new(channel(&stolen, hub.grpc));
    assert!(is_answered(&mut calls).await);
    let mut other = ClinicBox::connect(&region, "clinic-8", hub.port()).await;

    operator.revoke(of_clinic("clinic-7")).await.unwrap();
    operator.revoke(of_clinic("clinic-7")).await.expect("done again");

    // What was open has ended.
    let session = async { while line.incoming().await.is_ok() {} };
    timeout(DEADLINE, session).await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(DEADLINE, sending.read_to_end(&mut rest)).await.unwrap();
    // It tries again by itself, and finds the door shut.
    assert!(!is_answered(&mut calls).await);
    // Neither this nor any other certificate of the clinic comes in.
    for identity in [&stolen, &region.identity("clinic-7")] {
        assert!(is_refused(identity, "clinic-7", hub.port()).await);
        assert!(images(&hub, identity).await.is_none());
        assert!(!calls_in(identity, hub.grpc).await);
    }
    // The others go on in their sessions.
    let topic = topics::up_result(&other.clinic);
    let payload = envelope(&other.clinic, 1, &result(1)).encode_to_vec();
    assert!(other.send(&topic, payload).await.receipt.is_some());

    // It outlives the hub.
    let list = operator.0.list_revocations(v1::ListRevocationsRequest {}).await;
    let list = list.unwrap().into_inner().revocation;
    assert_eq!(
        (list.len(), list[0].by.as_str(), list[0].reason.as_str()),
        (1, "wang", "stolen")
    );
    hub.stop().await;
    let hub = region.start_as(&text).await;
    assert!(is_refused(&stolen, "clinic-7", hub.port()).await);
    let mut operator = Operator::of(&region, &hub);
    operator.restore(of_clinic("clinic-7")).await.unwrap();
    assert!(!is_refused(&stolen, "clinic-7", hub.port()).await);
    assert!(calls_in(&stolen, hub.grpc).await);
    let again = operator.restore(of_clinic("clinic-7")).await.unwrap_err();
    assert_eq!(again.code(), Code::NotFound);
    hub.stop().await;
}

#[tokio::test]
async fn one_certificate_is_shut_out_and_the_next_one_is_not() {
    let region = Region::new();
    let hub = region.hub().await;
    let mut operator = Operator::of(&region, &hub);
    let (lost, next) = (region.identity("clinic-7"), region.identity("clinic-7"));
    operator.revoke(of_certificate(&lost)).await.unwrap();
    assert!(is_refused(&lost, "clinic-7", hub.port()).await);
    assert!(!is_refused(&next, "clinic-7", hub.port()).await);
    hub.stop().await;
}

#[tokio::test]
async fn only_operators_shut_out_and_none_shuts_out_itself() {
    let region = Region::new();
    let hub = region.hub().await;
    for identity in [
        region.identity("clinic-7"),
        region.person(Role::Maintainer, "mara"),
        region.person(Role::Expert, "erin"),
        region.person(Role::Listener, "lamp"),
    ] {
        let mut calls = Operator(SitesClient::new(channel(&identity, hub.grpc)));
        for refused in [
            calls.revoke(of_clinic("clinic-8")).await,
            calls.restore(of_clinic("clinic-8")).await,
        ] {
            assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
        }
        let list = calls.0.list_revocations(v1::ListRevocationsRequest {}).await;
        assert_eq!(list.unwrap_err().code(), Code::PermissionDenied);
    }
    let mut operator = Operator::of(&region, &hub);
    let oneself = operator.revoke(of_person(Role::Operator, "wang")).await;
    assert_eq!(oneself.unwrap_err().code(), Code::FailedPrecondition);
    for wrong in [
        v1::Holder { who: None },
        of_clinic("Clinic 7"),
        holder(Who::CertificateSha256(vec![1, 2])),
        holder(Who::Person(v1::CertifiedPerson {
            role: "chief".into(),
            name: "li".into(),
        })),
    ] {
        let refused = operator.revoke(wrong).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    let unsaid = v1::RevokeRequest {
        holder: Some(of_clinic("clinic-7")),
        reason: " ".into(),
    };
    let refused = operator.0.revoke(unsaid).await.unwrap_err();
    assert!(refused.message().contains("reason"), "{refused}");
    // A person who left.
    let mara = region.person(Role::Maintainer, "mara");
    operator
        .revoke(of_person(Role::Maintainer, "mara"))
        .await
        .unwrap();
    assert!(!calls_in(&mara, hub.grpc).await);
    let erin = region.person(Role::Expert, "mara");
    assert!(
        calls_in(&erin, hub.grpc).await,
        "another role's name is another's"
    );
    hub.stop().await;
}

#[tokio::test]
async fn what_a_revoked_box_says_through_a_broker_is_not_taken() {
    let region = Region::new();
    let Some(broker) = mosquitto(&region).await else {
        return;
    };
    let hub = region.start(&hub_settings(&broker)).await;
    let mut edge = ClinicBox::connect(&region, "clinic-7", broker.port).await;
    receipted(&mut edge, 1).await;
    let mut operator = Operator::of(&region, &hub);
    operator.revoke(of_clinic("clinic-7")).await.unwrap();
    let topic = topics::up_result(&edge.clinic);
    let payload = envelope(&edge.clinic, 2, &result(2)).encode_to_vec();
    let publish = edge
        .client
        .publish(&topic, rumqttc::v5::mqttbytes::QoS::AtLeastOnce, false, payload);
    publish.await.unwrap();
    let mut other = ClinicBox::connect(&region, "clinic-8", broker.port).await;
    receipted(&mut other, 3).await;
    assert_eq!(
        hub.results().await.len(),
        2,
        "the second of clinic-7 is not there"
    );
    operator.restore(of_clinic("clinic-7")).await.unwrap();
    receipted(&mut edge, 2).await;
    hub.stop().await;
}
