//! What holds for all CJ/T 188 data: they come back from every layout they are put into, and no bytes are read by
//! chance.

use proptest::collection::vec;
use proptest::prelude::*;
use protocol::amount::Dimension;
use protocol::cjt188::body::{self, Body};
use protocol::cjt188::control;
use protocol::cjt188::digits::Shown;
use protocol::cjt188::frame::Frame;
use protocol::cjt188::heat::Heat;
use protocol::cjt188::layout::Layout;
use protocol::cjt188::payload::{self, Current, Data, Past, Rules};
use protocol::cjt188::prices::Prices;
use protocol::cjt188::reply;
use protocol::cjt188::status::Status;
use protocol::cjt188::total::Total;
use protocol::cjt188::unit::UnitCode;
use protocol::cjt188::water::Water;
use protocol::meter::CivilTime;

/// The layouts that can be written.
const WRITTEN: [Layout; 4] = [Layout::A, Layout::B, Layout::C, Layout::E];
const ADDRESS: [u8; 7] = [0x11, 0x11, 0x00, 0x12, 0x34, 0x56, 0x78];

fn digits(places: u32) -> impl Strategy<Value = Option<u32>> {
    prop::option::weighted(0.9, 0..10_u32.pow(places))
}

fn shown(dimension: Dimension) -> impl Strategy<Value = Shown> {
    let units: Vec<UnitCode> = UnitCode::ALL.iter().copied().filter(|unit| unit.dimension() == dimension).collect();
    (digits(8), prop::sample::select(units)).prop_map(|(digits, unit)| Shown { digits, unit })
}

fn clock() -> impl Strategy<Value = Option<CivilTime>> {
    let time = (2000_u16..2100, 1_u8..=12, 1_u8..=28, 0_u8..24, 0_u8..60, 0_u8..60);
    let time =
        time.prop_map(|(year, month, day, hour, minute, second)| CivilTime { year, month, day, hour, minute, second });
    prop::option::weighted(0.9, time)
}

fn heat() -> impl Strategy<Value = Heat> {
    let energies = (shown(Dimension::Energy), shown(Dimension::Energy), shown(Dimension::Power));
    let water = (shown(Dimension::Flow), shown(Dimension::Volume), digits(6), digits(6), digits(6));
    (energies, water, clock(), any::<[u8; 2]>()).prop_map(|(energies, water, clock, status)| {
        let (settled, energy, power) = energies;
        let (flow, volume, supply_temp, return_temp, hours) = water;
        let status = Status(status);
        Heat { settled, energy, power, flow, volume, supply_temp, return_temp, hours, clock, status }
    })
}

fn water() -> impl Strategy<Value = Water> {
    (shown(Dimension::Volume), shown(Dimension::Volume), clock(), any::<[u8; 2]>())
        .prop_map(|(volume, settled, clock, status)| Water { volume, settled, clock, status: Status(status) })
}

fn answer<B: Body>(body: &B, di: [u8; 2], layout: Layout) -> Frame {
    let request = Frame { meter_type: 0x20, address: ADDRESS, control: control::READ, data: [&di[..], &[1]].concat() };
    reply::laid_out(&request, ADDRESS, body, layout).expect("not D")
}

const fn named(layout: Layout) -> Rules<'static> {
    Rules { layout: Some(layout), slots: &[] }
}

proptest! {
    #[test]
    fn heat_comes_back_from_every_layout_that_is_named(heat in heat(), low_first in any::<bool>()) {
        for layout in WRITTEN {
            let di = if low_first { [0x1F, 0x90] } else { [0x90, 0x1F] };
            let current = Current::read_as(&answer(&heat, di, layout), named(layout)).expect("named");
            prop_assert_eq!((current.data, current.layout, current.ser), (Data::Heat(heat), layout, 1));
        }
    }

    #[test]
    fn heat_is_recognised_as_what_it_is_or_refused(heat in heat()) {
        for layout in WRITTEN {
            if let Ok(current) = Current::read(&answer(&heat, [0x1F, 0x90], layout)) {
                prop_assert_eq!((&current.data, current.ser), (&Data::Heat(heat), 1));
            }
        }
    }

    #[test]
    fn water_comes_back_from_every_layout_that_is_named_and_is_never_taken_for_another(water in water()) {
        for layout in WRITTEN {
            let frame = answer(&water, [0x90, 0x1F], layout);
            let current = Current::read_as(&frame, named(layout)).expect("named");
            prop_assert_eq!((current.data, current.layout), (Data::Water(water), layout));
            if let Ok(current) = Current::read(&frame) {
                prop_assert_eq!(current.data, Data::Water(water));
            }
        }
    }

    #[test]
    fn totals_and_prices_come_back_from_every_layout(
        total in prop_oneof![shown(Dimension::Energy), shown(Dimension::Volume)],
        steps in [(digits(6), digits(6)), (digits(6), digits(6))],
        last in digits(6),
        back in 0_u8..12,
    ) {
        let prices = Prices { steps, last };
        for layout in WRITTEN {
            let past = Past::read_as(&answer(&Total(total), [0xD1, 0x20 + back], layout), named(layout)).expect("named");
            prop_assert_eq!((past.total, past.month, past.layout), (Total(total), back + 1, layout));
            let read = payload::prices(&answer(&prices, [0x81, 0x02], layout), named(layout));
            prop_assert_eq!(read, Ok(prices));
        }
        if let Ok(past) = Past::read_as(&answer(&Total(total), [0xD1, 0x20], Layout::C), Rules::default()) {
            prop_assert_eq!(past.total, Total(total));
        }
    }

    #[test]
    fn any_bytes_are_data_that_lay_themselves_out_again_or_a_fault(
        control in any::<u8>(),
        di in prop_oneof![Just([0x90, 0x1F]), Just([0xC3, 0x52]), Just([0xD1, 0x23]), Just([0x91, 0x1F]), any::<[u8; 2]>()],
        rest in prop_oneof![vec(any::<u8>(), 0..100), vec(any::<u8>(), 43), vec(any::<u8>(), 19), vec(any::<u8>(), 5)],
    ) {
        let data = [&di[..], &[1], &rest].concat();
        let frame = Frame { meter_type: 0x20, address: ADDRESS, control, data };
        for layout in Layout::ALL.into_iter().map(Some).chain([None]) {
            let rules = Rules { layout, slots: &[] };
            let _ = payload::prices(&frame, rules);
            let _ = Past::read_as(&frame, rules);
            let Ok(current) = Current::read_as(&frame, rules) else { continue };
            let Some(heat) = current.heat().filter(|heat| heat.clock.is_some()) else { continue };
            let again = body::write(heat, current.layout).expect("not D");
            prop_assert_eq!(&again, &rest);
        }
    }
}
