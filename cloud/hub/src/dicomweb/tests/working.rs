use futures_util::StreamExt;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::fixture::pseudonym;
use super::*;

pub(super) const ALL: &str = "1.2.840.10008.5.1.4.34.5";
const FILTERED: &str = "1.2.840.10008.5.1.4.34.5.1";

/// A workitem as a RIS makes it.
fn workitem(priority: &str) -> Value {
    json!({
        "00080005": { "vr": "CS", "Value": ["ISO_IR 192"] },
        "00741200": { "vr": "CS", "Value": [priority] },
        "00741204": { "vr": "LO", "Value": ["Read chest"] },
        "00404005": { "vr": "DT", "Value": ["20260105080000"] },
        "00404041": { "vr": "CS", "Value": ["READY"] },
        "00404018": { "vr": "SQ", "Value": [{ "00080100": { "vr": "SH", "Value": ["110005"] } }] },
        "00100020": { "vr": "LO", "Value": [pseudonym(1)] },
    })
}

pub(super) fn to(state: &str, transaction: &str) -> Value {
    json!({
        "00741000": { "vr": "CS", "Value": [state] },
        "00081195": { "vr": "UI", "Value": [transaction] },
    })
}

fn performed() -> Value {
    let code = json!([{ "00080100": { "vr": "SH", "Value": ["X"] } }]);
    json!({ "00741216": { "vr": "SQ", "Value": [{
        "00404028": { "vr": "SQ", "Value": code },
        "00404019": { "vr": "SQ", "Value": code },
        "00404050": { "vr": "DT", "Value": ["20260105080500"] },
        "00404051": { "vr": "DT", "Value": ["20260105081000"] },
        "00404033": { "vr": "SQ", "Value": [{ "0020000D": { "vr": "UI", "Value": ["2.25.9"] } }] },
    }] } })
}

impl House {
    pub(super) async fn send(&self, token: &str, method: Method, path: &str, body: &Value) -> Answer {
        let token = format!("Bearer {token}");
        let headers = [
            ("authorization", token.as_str()),
            ("content-type", "application/dicom+json"),
        ];
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        self.ask(request(method, path, &headers, body)).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("all", Method::POST, path, body).await
    }

    async fn change(&self, uid: &str, state: &str, transaction: &str) -> Answer {
        let path = format!("/workitems/{uid}/state");
        self.send("all", Method::PUT, &path, &to(state, transaction))
            .await
    }

    pub(super) async fn state(&self, uid: &str) -> String {
        let answer = self
            .get(&format!("/workitems/{uid}"), "application/dicom+json")
            .await;
        value(&answer.json()[0], "00741000").as_str().unwrap().to_owned()
    }
}

/// IHE AIW-I, pull: asked for, claimed, worked on, completed.
#[tokio::test]
async fn a_pull_workflow_goes_from_scheduled_to_completed() {
    let house = House::new().await;
    let made = house.post("/workitems?2.25.77", &workitem("HIGH")).await;
    assert_eq!(
        made.status,
        StatusCode::CREATED,
        "{}",
        String::from_utf8_lossy(&made.body)
    );
    assert_eq!(
        made.header("location"),
        "http://hub.example/dicom-web/workitems/2.25.77"
    );
    let found = house
        .search(
            "/workitems?ProcedureStepState=SCHEDULED&ScheduledWorkitemCodeSequence.CodeValue=110005&limit=5",
        )
        .await;
    assert_eq!(value(&found[0], "00080018"), "2.25.77");
    assert_eq!(value(&found[0], "00080016"), "1.2.840.10008.5.1.4.34.6.1");

    // Claimed by one; who comes second hears so.
    assert_eq!(
        house.change("2.25.77", "IN PROGRESS", "1.2.3").await.status,
        StatusCode::OK
    );
    let second = house.change("2.25.77", "IN PROGRESS", "1.2.4").await;
    assert_eq!(second.status, StatusCode::CONFLICT);
    assert!(
        second.header("warning").starts_with("299 "),
        "{}",
        second.header("warning")
    );
    let shown = house.get("/workitems/2.25.77", "*/*").await.json();
    assert!(shown[0].get("00081195").is_none(), "the lock is told to nobody");

    let progress =
        json!({ "00741002": { "vr": "SQ", "Value": [{ "00741004": { "vr": "DS", "Value": [50] } }] } });
    let update = async |query: &str, body: &Value| {
        house
            .post(&format!("/workitems/2.25.77{query}"), body)
            .await
            .status
    };
    assert_eq!(update("", &progress).await, StatusCode::BAD_REQUEST);
    assert_eq!(update("?1.2.4", &progress).await, StatusCode::BAD_REQUEST);
    assert_eq!(update("?transaction-uid=1.2.3", &progress).await, StatusCode::OK);
    let early = house.change("2.25.77", "COMPLETED", "1.2.3").await;
    assert_eq!(early.status, StatusCode::CONFLICT);
    assert!(
        early.json()["detail"]
            .as_str()
            .unwrap()
            .contains("Performed Procedure Sequence")
    );
    assert_eq!(update("?1.2.3", &performed()).await, StatusCode::OK);
    // Somebody else may ask, not decide.
    let asked = house
        .send(
            "all-2",
            Method::POST,
            "/workitems/2.25.77/cancelrequest",
            &Value::Null,
        )
        .await;
    assert_eq!(
        (asked.status, house.state("2.25.77").await.as_str()),
        (StatusCode::ACCEPTED, "IN PROGRESS")
    );
    assert_eq!(
        house.change("2.25.77", "COMPLETED", "1.2.4").await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        house.change("2.25.77", "COMPLETED", "1.2.3").await.status,
        StatusCode::OK
    );

    let again = house.change("2.25.77", "COMPLETED", "1.2.3").await;
    assert_eq!(again.status, StatusCode::OK);
    assert!(
        again
            .header("warning")
            .contains("already in the requested state of COMPLETED")
    );
    assert_eq!(update("?1.2.3", &progress).await, StatusCode::BAD_REQUEST);
    assert_eq!(
        house.change("2.25.77", "CANCELED", "1.2.3").await.status,
        StatusCode::CONFLICT
    );
    let asked = house.post("/workitems/2.25.77/cancelrequest", &Value::Null).await;
    assert_eq!(asked.status, StatusCode::CONFLICT);
    let output = house.get("/workitems/2.25.77", "*/*").await.json();
    let output = value(value(&output[0], "00741216"), "00404033").clone();
    assert_eq!(value(&output, "0020000D"), "2.25.9");
}

#[tokio::test]
async fn of_two_that_claim_at_once_one_gets_it() {
    let house = House::new().await;
    for round in 0..20 {
        let uid = format!("2.25.{}", 100 + round);
        let made = house
            .post(&format!("/workitems?workitem={uid}"), &workitem("LOW"))
            .await;
        assert_eq!(made.status, StatusCode::CREATED);
        let claims = (0..4).map(|who| {
            let (router, uid) = (house.router.clone(), uid.clone());
            tokio::spawn(async move {
                let headers = [("content-type", "application/dicom+json")];
                let body = Body::from(to("IN PROGRESS", &format!("1.2.{who}")).to_string());
                let request = request(Method::PUT, &format!("/workitems/{uid}/state"), &headers, body);
                router.oneshot(request).await.unwrap().status()
            })
        });
        let mut statuses = Vec::new();
        for claim in claims.collect::<Vec<_>>() {
            statuses.push(claim.await.unwrap());
        }
        statuses.sort();
        let conflict = StatusCode::CONFLICT;
        assert_eq!(statuses, [StatusCode::OK, conflict, conflict, conflict]);
    }
}

#[tokio::test]
async fn what_is_wrong_is_answered_as_the_standard_says() {
    let house = House::new().await;
    assert_eq!(
        house.post("/workitems?2.25.5", &workitem("HIGH")).await.status,
        StatusCode::CREATED
    );
    assert_eq!(
        house.post("/workitems?2.25.5", &workitem("HIGH")).await.status,
        StatusCode::CONFLICT
    );
    let nameless = house.post("/workitems", &workitem("MEDIUM")).await;
    assert!(nameless.header("location").contains("/workitems/2.25."));
    let mut named = workitem("HIGH");
    named["00100010"] = json!({ "vr": "PN", "Value": [{ "Alphabetic": "Zhang^San" }] });
    let refused = house.post("/workitems", &named).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(!String::from_utf8_lossy(&refused.body).contains("Zhang"));
    for (method, path, body, expected) in [
        (
            Method::GET,
            "/workitems/2.25.6",
            Value::Null,
            StatusCode::NOT_FOUND,
        ),
        (
            Method::POST,
            "/workitems/2.25.6",
            json!({}),
            StatusCode::NOT_FOUND,
        ),
        (
            Method::PUT,
            "/workitems/2.25.6/state",
            to("IN PROGRESS", "1.2"),
            StatusCode::NOT_FOUND,
        ),
        (
            Method::PUT,
            "/workitems/2.25.5/state",
            to("SCHEDULED", "1.2"),
            StatusCode::BAD_REQUEST,
        ),
        (
            Method::PUT,
            "/workitems/2.25.5/state",
            to("DONE", "1.2"),
            StatusCode::BAD_REQUEST,
        ),
        (
            Method::PUT,
            "/workitems/2.25.5/state",
            to("IN PROGRESS", "abc"),
            StatusCode::BAD_REQUEST,
        ),
        (
            Method::PUT,
            "/workitems/2.25.5/state",
            to("COMPLETED", "1.2"),
            StatusCode::CONFLICT,
        ),
        (
            Method::PUT,
            "/workitems/2.25.5/state",
            json!([]),
            StatusCode::BAD_REQUEST,
        ),
        (
            Method::POST,
            "/workitems/2.25.5?1.2",
            json!({}),
            StatusCode::CONFLICT,
        ),
        (
            Method::POST,
            "/workitems/2.25.5",
            json!({ "00741000": { "vr": "CS", "Value": ["COMPLETED"] } }),
            StatusCode::BAD_REQUEST,
        ),
        (
            Method::POST,
            "/workitems/2.25.5",
            json!({ "00741204": { "vr": "LO", "Value": ["Other"] } }),
            StatusCode::OK,
        ),
        (
            Method::POST,
            "/workitems?abc=1&workitem=x",
            workitem("HIGH"),
            StatusCode::BAD_REQUEST,
        ),
    ] {
        let answer = house.send("all", method.clone(), path, &body).await;
        assert_eq!(
            answer.status,
            expected,
            "{method} {path}: {}",
            String::from_utf8_lossy(&answer.body)
        );
    }
    // Nobody has it: asked to be canceled, it is.
    let reason = json!({ "00741238": { "vr": "LT", "Value": ["Duplicate order"] } });
    let canceled = house.post("/workitems/2.25.5/cancelrequest", &reason).await;
    assert_eq!(
        (canceled.status, house.state("2.25.5").await.as_str()),
        (StatusCode::ACCEPTED, "CANCELED")
    );
    let again = house.post("/workitems/2.25.5/cancelrequest", &Value::Null).await;
    assert!(again.header("warning").contains("CANCELED"));
    // Long after its end its content is gone, and who asks hears that it was there.
    house.archive.forget_workitems(i64::MAX).await.unwrap();
    assert_eq!(
        house.get("/workitems/2.25.5", "*/*").await.status,
        StatusCode::GONE
    );
    assert_eq!(
        house.post("/workitems?2.25.5", &workitem("HIGH")).await.status,
        StatusCode::CONFLICT
    );
}

#[tokio::test]
async fn searches_come_in_pages() {
    let house = House::new().await;
    for number in 0..5 {
        let priority = if number == 0 { "LOW" } else { "HIGH" };
        house
            .post(&format!("/workitems?2.25.{number}"), &workitem(priority))
            .await;
    }
    let first = house.get("/workitems?00741200=HIGH&limit=3", "*/*").await;
    assert_eq!(first.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(first.json().as_array().unwrap().len(), 3);
    let last = house
        .get(
            "/workitems?00741200=HIGH&limit=3&offset=3&includefield=00741202",
            "*/*",
        )
        .await;
    assert_eq!(
        (last.status, last.json().as_array().unwrap().len()),
        (StatusCode::OK, 1)
    );
    assert!(last.json()[0].get("00404018").is_none() && last.json()[0].get("00741202").is_some());
    assert_eq!(
        house.get("/workitems?PatientID=P1", "*/*").await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        house.get("/workitems?PatientBirthDate=1", "*/*").await.status,
        StatusCode::BAD_REQUEST
    );
}

pub(super) type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

pub(super) async fn listen(address: std::net::SocketAddr, ae_title: &str, token: &str) -> Socket {
    let url = format!("ws://{address}{PREFIX}/ws/subscribers/{ae_title}");
    let mut request = url.into_client_request().unwrap();
    request
        .headers_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    tokio_tungstenite::connect_async(request).await.unwrap().0
}

pub(super) async fn next(socket: &mut Socket) -> Value {
    loop {
        let message = tokio::time::timeout(Duration::from_secs(20), socket.next())
            .await
            .unwrap();
        match message.unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn followers_hear_of_what_they_follow_and_of_nothing_else() {
    let house = House::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(axum::serve(listener, house.router.clone()).into_future());
    let subscribe = async |token: &str, target: &str, ae: &str, query: &str| {
        let path = format!("/workitems/{target}/subscribers/{ae}{query}");
        house.send(token, Method::POST, &path, &Value::Null).await
    };
    let all = subscribe("all", ALL, "WATCHER", "").await;
    assert_eq!(all.status, StatusCode::CREATED);
    assert_eq!(
        all.header("content-location"),
        "ws://hub.example/dicom-web/ws/subscribers/WATCHER"
    );
    assert_eq!(
        subscribe("all-2", ALL, "WATCHER", "").await.status,
        StatusCode::FORBIDDEN
    );
    let urgent = "?filter=00741200%3DHIGH";
    assert_eq!(
        subscribe("all-2", FILTERED, "URGENT", urgent).await.status,
        StatusCode::CREATED
    );
    assert_eq!(
        subscribe("all-2", FILTERED, "URGENT", "").await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        subscribe("all", "2.25.1", "WATCHER", "").await.status,
        StatusCode::NOT_FOUND
    );
    let mut watcher = listen(address, "WATCHER", "all").await;
    let mut urgent = listen(address, "URGENT", "all-2").await;

    house.post("/workitems?2.25.1", &workitem("LOW")).await;
    house.post("/workitems?2.25.2", &workitem("HIGH")).await;
    let event = next(&mut watcher).await;
    assert_eq!(value(&event, "00001000"), "2.25.1");
    assert_eq!(
        (value(&event, "00001002"), value(&event, "00741000")),
        (&1.into(), &"SCHEDULED".into())
    );
    assert_eq!(value(&next(&mut watcher).await, "00001000"), "2.25.2");
    assert_eq!(
        value(&next(&mut urgent).await, "00001000"),
        "2.25.2",
        "not the one that is not urgent"
    );

    // Not this one any more; and from now on nothing new.
    let unsubscribe = async |target: &str| {
        let path = format!("/workitems/{target}/subscribers/WATCHER");
        house
            .send("all", Method::DELETE, &path, &Value::Null)
            .await
            .status
    };
    assert_eq!(unsubscribe("2.25.2").await, StatusCode::OK);
    house.change("2.25.2", "IN PROGRESS", "1.2.3").await;
    house.change("2.25.1", "IN PROGRESS", "1.2.4").await;
    assert_eq!(value(&next(&mut watcher).await, "00001000"), "2.25.1");
    assert_eq!(value(&next(&mut urgent).await, "00741000"), "IN PROGRESS");
    let about = json!({ "00741238": { "vr": "LT", "Value": ["Patient left"] } });
    house
        .send("all-2", Method::POST, "/workitems/2.25.1/cancelrequest", &about)
        .await;
    let event = next(&mut watcher).await;
    assert_eq!(
        (value(&event, "00001002"), value(&event, "00741238")),
        (&2.into(), &"Patient left".into())
    );
    assert_eq!(value(&event, "0074100C"), "all-2");

    let suspend = format!("/workitems/{ALL}/subscribers/WATCHER/suspend");
    assert_eq!(house.post(&suspend, &Value::Null).await.status, StatusCode::OK);
    house.post("/workitems?2.25.3", &workitem("LOW")).await;
    let progress =
        json!({ "00741002": { "vr": "SQ", "Value": [{ "00741004": { "vr": "DS", "Value": [50] } }] } });
    house.post("/workitems/2.25.1?1.2.4", &progress).await;
    let event = next(&mut watcher).await;
    assert_eq!(
        (value(&event, "00001000"), value(&event, "00001002")),
        (&"2.25.1".into(), &3.into())
    );

    // One alone: how it stands is told at once.
    assert_eq!(
        subscribe("all", "2.25.3", "WATCHER", "?deletionlock=true")
            .await
            .status,
        StatusCode::CREATED
    );
    let event = next(&mut watcher).await;
    assert_eq!(
        (value(&event, "00001000"), value(&event, "00741000")),
        (&"2.25.3".into(), &"SCHEDULED".into())
    );
    house.post("/workitems/2.25.3/cancelrequest", &Value::Null).await;
    assert_eq!(value(&next(&mut watcher).await, "00741000"), "IN PROGRESS");
    assert_eq!(value(&next(&mut watcher).await, "00741000"), "CANCELED");
    // Held by a deletion lock until that is given up.
    house.archive.forget_workitems(i64::MAX).await.unwrap();
    assert_eq!(house.state("2.25.3").await, "CANCELED");
    assert_eq!(unsubscribe(ALL).await, StatusCode::OK);
    assert_eq!(unsubscribe(ALL).await, StatusCode::NOT_FOUND);
    house.archive.forget_workitems(i64::MAX).await.unwrap();
    assert_eq!(
        house.get("/workitems/2.25.3", "*/*").await.status,
        StatusCode::GONE
    );
    house.shutdown.trigger();
    loop {
        match watcher.next().await {
            Some(Ok(Message::Close(frame))) => {
                assert_eq!(u16::from(frame.unwrap().code), 1001);
                break;
            }
            Some(Ok(Message::Ping(_))) => {}
            other => panic!("{other:?}"),
        }
    }
    server.abort();
}
