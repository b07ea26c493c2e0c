//! Simulated meters that put down their index at a settlement are asked for it by the product's own dialogue.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod common;

use std::time::{SystemTime, UNIX_EPOCH};

use chaos::field::calendar::Civil;
use common::{Master, field, reading, target};
use protocol::exchange::{Answer, Exchange, Target};
use protocol::meter::{CivilTime, Dialect, Quantity};
use protocol::profile::Catalogue;

const PROFILE: &str = "name = 'keeps'\ndialect = 'cjt188'\nsource = 'a test'\nmeter_type = 0x20\nread_di = [0x1F, 0x90]\n\
                       valve_di = [0xA0, 0x17]\nmonths = { settles = 'begins', first = 'latest' }\n\
                       [[column]]\nquantity = 'energy'\nfield = 'energy'\ndecimals = 2\n";
/// What a simulated building takes at most, W.
const MOST_WATT: i64 = 42_000;
/// For how long ago the settlement is when the last meter is asked.
const PATIENCE_S: i64 = 7 * 60;

fn keeping(address: &str) -> Target {
    let catalogue = Catalogue::with([("keeps.toml", PROFILE)]).unwrap();
    Target { catalogue, ..target(Dialect::Cjt188, address, Some("keeps")) }
}

const fn midnight(month: u8) -> CivilTime {
    CivilTime { year: 2027, month, day: 5, hour: 0, minute: 0, second: 0 }
}

fn kept(answer: Answer, at: CivilTime) -> i64 {
    let reading = reading(answer);
    assert_eq!(reading.history.iter().map(|kept| kept.at).collect::<Vec<_>>(), [at]);
    reading.history[0].measurements.iter().find(|m| m.quantity == Quantity::Energy).unwrap().value
}

#[tokio::test]
async fn what_a_meter_put_down_at_a_settlement_is_what_it_showed_then_in_every_layout() {
    let dir = tempfile::tempdir().unwrap();
    // Their clocks show six minutes after a settlement: long enough for any meter to put its index down.
    let shown = Civil { year: 2027, month: 3, day: 5, hour: 0, minute: 6, second: 0 };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let off = shown.unix_s() - i64::try_from(now).unwrap();
    let mut text = "[[line]]\nname = \"north\"\nbaud = 0\n".to_owned();
    let layouts = ["A", "B", "C", "E"];
    for (nth, layout) in layouts.iter().enumerate() {
        text += &format!(
            "[[line.meter]]\nname = \"{layout}\"\ndialect = \"cjt188\"\naddress = \"1234000000000{nth}\"\n\
             cjt188 = {{ layout = \"{layout}\", settlement_day = 5 }}\nfault = {{ clock_off_s = {off} }}\n"
        );
    }
    let field = field(dir.path(), &text).await;
    let mut master = Master::on(&field.endpoints()[0]).await;
    for (nth, layout) in layouts.iter().enumerate() {
        let target = keeping(&format!("1234000000000{nth}"));
        let latest = kept(master.talk(Exchange::history(&target, midnight(3))).await, midnight(3));
        let before = kept(master.talk(Exchange::history(&target, midnight(2))).await, midnight(2));
        let shown = reading(master.read(&target).await).value(Quantity::Energy).unwrap();
        assert!(
            (0..=PATIENCE_S * MOST_WATT).contains(&(shown - latest)),
            "{layout}: {latest} was put down, {shown} is shown"
        );
        assert!((1..=31 * 86_400 * MOST_WATT).contains(&(latest - before)), "{layout}: {before}, then {latest}");
        let refused = master.talk(Exchange::history(&target, CivilTime { day: 6, ..midnight(2) })).await;
        assert!(matches!(refused, Answer::Refused(_)), "{layout}: {refused:?}");
    }
    field.close().await.unwrap();
}
