use std::sync::{Arc, Mutex};

use super::{Clinic, OrdersDesk, squeezed};
use crate::orders::Order;

/// What the worklist does, without a disk; a patient called "full" finds it full.
pub(super) fn desk() -> OrdersDesk {
    let orders: Arc<Mutex<Vec<Order>>> = Arc::default();
    let [listed, add, take_back] = [(); 3].map(|()| Arc::clone(&orders));
    OrdersDesk::new(
        move || listed.lock().unwrap().clone(),
        move |order| {
            let fits = order.wish.patient.name != "full";
            add.lock().unwrap().extend(fits.then_some(order));
            fits
        },
        move |id| {
            take_back.lock().unwrap().retain(|order| order.id != id);
            true
        },
    )
}

const GOOD: &str = "name=%E5%BC%A0%E4%B8%89&latin_name=Zhang+San&patient_id=P7&birth_date=1980-02-29&sex=M&modality=DX\
                    &description=&date=2026-01-02&time=09%3A30&station_ae=&referring_physician=&accession=";

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_filled_in_listed_and_taken_back() {
    let clinic = Clinic::open().await;
    let added = clinic.post("/orders", &[], GOOD).await;
    assert_eq!(added.status, 303, "{}", added.body);
    assert!(
        added.head.contains("location: /orders?notice=added"),
        "no name in an address: {}",
        added.head
    );
    let page = squeezed(&clinic.get("/orders?lang=zh&notice=added").await.body);
    for expected in ["Zhang San 张三", "P7", "2026-01-02 09:30 · DX", "已登记"] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    let (_, after) = page.split_once("name=\"order\" value=\"").unwrap();
    let (id, _) = after.split_once('"').unwrap();
    let taken = clinic
        .post("/orders/take-back", &[], &format!("order={id}"))
        .await;
    assert_eq!(taken.status, 303);
    assert!(
        clinic
            .get("/orders?lang=en")
            .await
            .body
            .contains("Nothing is ordered.")
    );
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_at_its_field_and_nothing_typed_is_lost() {
    let clinic = Clinic::open().await;
    let wrong = GOOD
        .replace("modality=DX", "modality=chest")
        .replace("patient_id=P7", "patient_id=");
    let answer = clinic.post("/orders?lang=en", &[], &wrong).await;
    assert_eq!(answer.status, 422);
    let page = squeezed(&answer.body);
    for expected in [
        "value=\"张三\"",
        "name=\"modality\" required aria-invalid=\"true\" aria-describedby=\"wrong-modality\"",
        "<option value=\"M\" selected>male</option>",
        "<span id=\"wrong-patient_id\" class=\"alert\">This is needed.</span>",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_cannot_be_written_down_is_told() {
    let clinic = Clinic::open().await;
    let full = GOOD
        .replace("%E5%BC%A0%E4%B8%89", "full")
        .replace("Zhang+San", "");
    assert_eq!(clinic.post("/orders", &[], &full).await.status, 500);
    clinic.close().await;
}
