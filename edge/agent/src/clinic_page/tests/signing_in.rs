//! Who may do what, once people sign in.

use super::{Clinic, squeezed};
use crate::clinic_page::config::SignIn;
use crate::reading::tests::{report, signed};
use crate::users::Roles;

fn roles(doctor: bool, technician: bool, manager: bool) -> Roles {
    Roles {
        doctor,
        technician,
        manager,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_pin_no_name_is_shown() {
    let clinic = Clinic::open_with(SignIn::Pin).await;
    let key = clinic.put("1.2.3", |_| {});
    for path in [
        "/",
        "/orders",
        &format!("/case/{key}"),
        &format!("/case/{key}/preview.jpg"),
        "/fault",
        "/people",
    ] {
        let answer = clinic.get(path).await;
        assert_eq!(answer.status, 303, "{path}");
        assert!(answer.head.contains("location: /sign-in") && !answer.body.contains("王小东"));
    }
    assert_eq!(clinic.get("/cases/fragment").await.status, 401);
    assert_eq!(clinic.post("/search", &[], "what=a").await.status, 401);
    assert_eq!(clinic.get("/api/status").await.status, 200, "programs on the box");
    let forged = "barefoot-edge-session=0000000000000000000000000000000000000000000000000000000000000000";
    assert_eq!(clinic.get_as(forged, "/").await.status, 303);
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_visit_on_the_box_makes_the_first_manager_and_no_second() {
    let clinic = Clinic::open_with(SignIn::Pin).await;
    let page = clinic.get("/sign-in?lang=en").await;
    assert!(page.body.contains("Become the first manager"));
    let simple = clinic
        .post("/sign-in/first", &[], "name=Zhao&pin=1234&again=1234")
        .await;
    assert_eq!(simple.status, 422);
    let differ = clinic
        .post("/sign-in/first", &[], "name=Zhao&pin=4711&again=4712")
        .await;
    assert_eq!(differ.status, 422);
    let made = clinic
        .post("/sign-in/first", &[], "name=Zhao&pin=4711&again=4711")
        .await;
    assert_eq!(made.status, 303);
    let cookie = made
        .head
        .split("set-cookie: ")
        .nth(1)
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    assert!(made.head.contains("httponly") && made.head.contains("samesite=strict"));
    assert_eq!(clinic.get_as(&cookie, "/people").await.status, 200);
    let second = clinic
        .post("/sign-in/first", &[], "name=Evil&pin=4711&again=4711")
        .await;
    assert_eq!(second.status, 422);
    assert_eq!(clinic.sources.users.all().unwrap().len(), 1);
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_decide_what_is_shown_and_done_and_who_it_was_is_kept() {
    let clinic = Clinic::open_with(SignIn::Pin).await;
    let users = &clinic.sources.users;
    let doctor = users.add("Wang", roles(true, false, false), "4711").unwrap();
    let technician = users.add("Li", roles(false, true, false), "4712").unwrap();
    let key = clinic.put("1.2.3", |case| {
        case.reading
            .add_report(signed(report("01JD5Z0000000000000000000A", None)));
    });
    let (case, print) = (
        format!("/case/{key}"),
        format!("/case/{key}/report/01JD5Z0000000000000000000A/print"),
    );
    let technician = clinic.signed_in(&technician, "4712").await;
    let html = squeezed(&clinic.get_as(&technician, &format!("{case}?lang=en")).await.body);
    assert!(
        html.contains("A report has arrived")
            && !html.contains("No pneumonia.")
            && !html.contains("id=\"ask-expert\"")
    );
    assert_eq!(clinic.get_as(&technician, &print).await.status, 403);
    let ask = "id=01JD5Z0000000000000000000M&kind=ask&text=please+look";
    assert_eq!(
        clinic
            .post_as(&technician, &format!("{case}/message"), ask)
            .await
            .status,
        403
    );
    assert_eq!(clinic.get_as(&technician, "/people").await.status, 403);
    assert_eq!(clinic.get_as(&technician, "/orders").await.status, 200);

    let doctor = clinic.signed_in(&doctor, "4711").await;
    let html = squeezed(&clinic.get_as(&doctor, &format!("{case}?lang=en")).await.body);
    assert!(html.contains("No pneumonia.") && html.contains("id=\"ask-expert\""));
    assert_eq!(clinic.get_as(&doctor, &print).await.status, 200);
    assert_eq!(
        clinic
            .post_as(&doctor, &format!("{case}/message"), ask)
            .await
            .status,
        303
    );
    let said = clinic.sources.cases.get(&key).unwrap().reading.messages()[0].clone();
    assert_eq!((said.by.as_str(), said.message.name.as_str()), ("Wang", "医生"));
    assert_eq!(clinic.post_as(&doctor, "/sign-out", "").await.status, 303);
    assert_eq!(clinic.get_as(&doctor, "/").await.status, 303);
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_pins_lock_and_a_manager_lets_in_again() {
    let clinic = Clinic::open_with(SignIn::Pin).await;
    let users = &clinic.sources.users;
    let doctor = users.add("Wang", roles(true, false, false), "4711").unwrap();
    let manager = users.add("Zhao", roles(false, false, true), "4713").unwrap();
    for _ in 0..4 {
        let wrong = clinic
            .post("/sign-in?lang=en", &[], &format!("user={doctor}&pin=0001"))
            .await;
        assert!(wrong.status == 422 && wrong.body.contains("not the right PIN"));
    }
    for pin in ["0001", "4711"] {
        let locked = clinic
            .post("/sign-in?lang=en", &[], &format!("user={doctor}&pin={pin}"))
            .await;
        assert!(
            locked.status == 422 && locked.body.contains("Too many wrong PINs"),
            "{}",
            locked.body
        );
    }
    let manager = clinic.signed_in(&manager, "4713").await;
    let form = format!("user={doctor}&pin=9182&again=9182");
    assert_eq!(clinic.post_as(&manager, "/people/pin", &form).await.status, 303);
    clinic.signed_in(&doctor, "9182").await;
    let form = format!("user={doctor}");
    assert_eq!(
        clinic.post_as(&manager, "/people/remove", &form).await.status,
        303
    );
    assert!(clinic.sources.users.get(&doctor).is_none());
    clinic.close().await;
}
