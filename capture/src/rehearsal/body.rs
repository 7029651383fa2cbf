//! The body: its state, and what it answers to each operation.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc::Sender};

use super::{
    Model, Pace, clock,
    codec::Writer,
    codes::{event, op, prop, rc},
    faults::{Action, Fault, Moment, WireFault},
    properties::{Properties, Value},
    shooting::{Exposure, Target},
    state::State,
    store,
};

/// The body's identity on the network.
pub(super) const GUID: &[u8; 16] = b"Vitrine.D5300.01";
/// The body's serial number.
pub(super) const SERIAL: &str = "0000000000000000000000005300001";
/// The body's firmware.
pub(super) const FIRMWARE: &str = "V1.03";
const NIKON: u32 = 0x0000_000A;

/// An operation that a client asks for.
pub(super) struct Request {
    pub(super) code: u16,
    pub(super) transaction: u32,
    pub(super) parameters: Vec<u32>,
    pub(super) data: Vec<u8>,
}

impl Request {
    fn parameter(&self, i: usize) -> u32 {
        self.parameters.get(i).copied().unwrap_or(0)
    }
}

/// What the body answers.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) parameters: Vec<u32>,
    pub(super) data: Option<Vec<u8>>,
}

impl From<u16> for Reply {
    fn from(code: u16) -> Self {
        Self { code, ..Self::default() }
    }
}

impl From<Result<Vec<u8>, u16>> for Reply {
    fn from(result: Result<Vec<u8>, u16>) -> Self {
        match result {
            Ok(data) => Self { code: rc::OK, parameters: Vec::new(), data: Some(data) },
            Err(code) => code.into(),
        }
    }
}

/// The body, shared by the connections, the image processor and the operator's hands.
pub(super) struct Machine {
    pub(super) state: Mutex<State>,
    /// Rung when an exposure is finished.
    pub(super) finished: Condvar,
    pub(super) processor: Sender<Exposure>,
    pub(super) pace: Pace,
    pub(super) model: Model,
    pub(super) optics: Arc<super::optics::Optics>,
    /// JPEGs that pictures of the same light share; none where each is taken for itself.
    pub(super) kept: Option<Mutex<Vec<super::shooting::Kept>>>,
}

impl Machine {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client is gone: what it held is released, what was only in memory is lost.
    pub(super) fn client_left(&self) {
        let mut state = self.lock();
        state.session = None;
        state.events.clear();
        state.store.clear_memory();
        state.live_view = false;
        state.properties.allow(prop::EXPOSURE_PROGRAM, false);
        self.close_bulb(&mut state);
    }

    /// Does an operation: the answer, and the fault of the connection that goes with it.
    pub(super) fn handle(&self, request: &Request) -> (Reply, Option<WireFault>) {
        let mut state = self.lock();
        let fault = state.script.next(request.code);
        if let Some(Fault { action, seconds, .. }) = fault {
            log::debug!("rehearsal camera: {action:?} at operation {:04x}", request.code);
            match action {
                Action::Busy => return (rc::DEVICE_BUSY.into(), None),
                Action::GeneralError => return (rc::GENERAL_ERROR.into(), None),
                Action::Refuse => return (rc::INVALID_VALUE.into(), None),
                Action::DropBefore => return (rc::GENERAL_ERROR.into(), Some(WireFault::Drop(Moment::Before))),
                Action::Hang => return (self.perform(state, request), Some(WireFault::Hang { seconds })),
                Action::DropDuring => return (self.perform(state, request), Some(WireFault::Drop(Moment::During))),
                Action::DropAfter => return (self.perform(state, request), Some(WireFault::Drop(Moment::After))),
                Action::Sleep => return (rc::GENERAL_ERROR.into(), Some(WireFault::Sleep { seconds })),
                Action::Malformed => return (self.perform(state, request), Some(WireFault::Malformed)),
                Action::Truncate => state.truncate_next = true,
                Action::CardFull => state.store.fill(),
                Action::LowBattery => {
                    state.battery_flat = true;
                    state.properties.put(prop::BATTERY_LEVEL, Value::U8(1));
                    state.tell_changed(&[prop::BATTERY_LEVEL]);
                }
                Action::WrongDial => state.turn_dial(false),
                Action::PressShutter => drop(self.release(&mut state, Target::Card)),
                Action::DuplicateEvent => state.duplicate_next = true,
                Action::SwapEvents => state.swap_next = true,
            }
        }
        (self.perform(state, request), None)
    }

    fn perform(&self, mut state: MutexGuard<'_, State>, request: &Request) -> Reply {
        let p = |i| request.parameter(i);
        if state.session.is_none() && !matches!(request.code, op::GET_DEVICE_INFO | op::OPEN_SESSION) {
            return rc::SESSION_NOT_OPEN.into();
        }
        match request.code {
            op::GET_DEVICE_INFO => Ok(device_info(&state.properties, self.model)).into(),
            code if !self.model.operations().contains(&code) => rc::OPERATION_NOT_SUPPORTED.into(),
            op::OPEN_SESSION if state.session.is_some() => rc::SESSION_ALREADY_OPEN.into(),
            op::OPEN_SESSION => {
                state.clients += 1;
                state.session = Some(state.clients);
                rc::OK.into()
            }
            op::CLOSE_SESSION => {
                drop(state);
                self.client_left();
                rc::OK.into()
            }
            op::GET_STORAGE_IDS => Ok(Writer::default().array32(&[store::CARD]).done()).into(),
            op::GET_STORAGE_INFO => state.store.storage_info(p(0)).into(),
            op::GET_NUM_OBJECTS => match state.store.handles(p(0), p(2)) {
                Ok(handles) => Reply { code: rc::OK, parameters: vec![handles.len() as u32], data: None },
                Err(code) => code.into(),
            },
            op::GET_OBJECT_HANDLES => {
                state.store.handles(p(0), p(2)).map(|h| Writer::default().array32(&h).done()).into()
            }
            op::GET_OBJECT_INFO => state.store.info(p(0)).into(),
            op::GET_OBJECT => {
                let object = state.store.object(p(0));
                state.store.sent(p(0));
                object.map(|bytes| shorten(&mut state, bytes)).into()
            }
            op::GET_PARTIAL_OBJECT => {
                let data = state.store.part(p(0), p(1), p(2)).map(|bytes| shorten(&mut state, bytes));
                let parameters = data.iter().map(|d| d.len() as u32).collect();
                Reply { parameters, ..data.into() }
            }
            op::GET_THUMB | op::GET_LARGE_THUMB => {
                let object = state.store.object(p(0));
                drop(state);
                object.and_then(|bytes| super::picture::thumbnail(&bytes).ok_or(rc::NO_THUMBNAIL)).into()
            }
            op::DELETE_OBJECT | op::DELETE_SDRAM_IMAGE => match state.store.delete(p(0)) {
                Ok(more) => {
                    if more {
                        state.tell(event::OBJECT_ADDED_IN_SDRAM, store::MEMORY_HANDLE);
                    }
                    rc::OK.into()
                }
                Err(code) => code.into(),
            },
            op::GET_PROP_DESC => self.property(&mut state, p(0), Properties::describe),
            op::GET_PROP_VALUE => self.property(&mut state, p(0), Properties::value),
            op::SET_PROP_VALUE => state.set_property(p(0), &request.data).into(),
            op::GET_VENDOR_PROP_CODES => Ok(Writer::default().array16(&state.properties.codes(true)).done()).into(),
            op::SET_CONTROL_MODE => {
                state.properties.allow(prop::EXPOSURE_PROGRAM, p(0) == 1);
                rc::OK.into()
            }
            op::CHECK_EVENT => {
                let events: Vec<_> = state.events.drain(..).collect();
                let mut w = Writer::default();
                w.u16(events.len() as u16);
                for (code, parameter) in events {
                    w.u16(code).u32(parameter);
                }
                Ok(w.done()).into()
            }
            op::DEVICE_READY => self.ready(state).into(),
            op::INITIATE_CAPTURE => self.release(&mut state, Target::Card).into(),
            op::CAPTURE | op::AF_CAPTURE_SDRAM => self.release(&mut state, Target::Memory).into(),
            op::CAPTURE_TO => {
                // With the lens's switch on manual the body shoots without focusing, whatever the client asks.
                if p(0) == 0xFFFF_FFFE {
                    let _ = self.autofocus(&mut state);
                }
                self.release(&mut state, if p(1) == 0 { Target::Card } else { Target::Memory }).into()
            }
            op::TERMINATE_CAPTURE => {
                self.close_bulb(&mut state);
                rc::OK.into()
            }
            op::AF_DRIVE => {
                let ended = self.autofocus(&mut state);
                state.outcome = ended.err();
                rc::OK.into()
            }
            op::AF_DRIVE_CANCEL | op::CHANGE_AF_AREA => rc::OK.into(),
            op::MF_DRIVE => state.drive_focus(p(0), p(1)).into(),
            op::START_LIVE_VIEW => {
                state.live_view = true;
                state.properties.put(prop::LIVE_VIEW_STATUS, Value::U8(1));
                rc::OK.into()
            }
            op::END_LIVE_VIEW => {
                state.live_view = false;
                state.properties.put(prop::LIVE_VIEW_STATUS, Value::U8(0));
                rc::OK.into()
            }
            op::GET_LIVE_VIEW_IMAGE => self.live_view_frame(state).into(),
            _ => rc::OPERATION_NOT_SUPPORTED.into(),
        }
    }

    /// Reads a property after bringing the ones up to date that follow the body's state.
    fn property(&self, state: &mut State, code: u32, read: fn(&Properties, u16) -> Result<Vec<u8>, u16>) -> Reply {
        let Ok(code) = u16::try_from(code) else { return rc::PROPERTY_NOT_SUPPORTED.into() };
        match code {
            prop::DATE_TIME => {
                let now = clock::ptp(state.now());
                state.properties.put(code, Value::Text(now));
            }
            prop::EXPOSURE_REMAINING => {
                let left = state.store.pictures_left();
                state.properties.put(code, Value::U32(left));
            }
            _ => {}
        }
        read(&state.properties, code).into()
    }
}

/// Half of a download when the script says so.
fn shorten(state: &mut State, mut bytes: Vec<u8>) -> Vec<u8> {
    if std::mem::take(&mut state.truncate_next) {
        bytes.truncate(bytes.len() / 2);
    }
    bytes
}

fn device_info(properties: &Properties, model: Model) -> Vec<u8> {
    let mut w = Writer::default();
    w.u16(100).u32(NIKON).u16(100).string("microsoft.com: 1.0").u16(0);
    w.array16(&model.operations()).array16(event::ALL).array16(&properties.codes(false));
    // Capture formats, then image formats: JPEG; undefined, folder, script, JPEG.
    w.array16(&[0x3801]).array16(&[0x3000, 0x3001, 0x3002, 0x3801]);
    w.string("Nikon Corporation").string(model.name()).string(FIRMWARE).string(SERIAL).done()
}
