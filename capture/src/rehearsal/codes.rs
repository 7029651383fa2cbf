//! Operation, response, event and property codes (PIMA 15740:2000; vendor codes as libgphoto2's `ptp.h` names them).

/// Operations.
pub(super) mod op {
    pub(crate) const GET_DEVICE_INFO: u16 = 0x1001;
    pub(crate) const OPEN_SESSION: u16 = 0x1002;
    pub(crate) const CLOSE_SESSION: u16 = 0x1003;
    pub(crate) const GET_STORAGE_IDS: u16 = 0x1004;
    pub(crate) const GET_STORAGE_INFO: u16 = 0x1005;
    pub(crate) const GET_NUM_OBJECTS: u16 = 0x1006;
    pub(crate) const GET_OBJECT_HANDLES: u16 = 0x1007;
    pub(crate) const GET_OBJECT_INFO: u16 = 0x1008;
    pub(crate) const GET_OBJECT: u16 = 0x1009;
    pub(crate) const GET_THUMB: u16 = 0x100A;
    pub(crate) const DELETE_OBJECT: u16 = 0x100B;
    pub(crate) const INITIATE_CAPTURE: u16 = 0x100E;
    pub(crate) const GET_PROP_DESC: u16 = 0x1014;
    pub(crate) const GET_PROP_VALUE: u16 = 0x1015;
    pub(crate) const SET_PROP_VALUE: u16 = 0x1016;
    pub(crate) const GET_PARTIAL_OBJECT: u16 = 0x101B;
    pub(crate) const CAPTURE: u16 = 0x90C0;
    pub(crate) const AF_DRIVE: u16 = 0x90C1;
    pub(crate) const SET_CONTROL_MODE: u16 = 0x90C2;
    pub(crate) const DELETE_SDRAM_IMAGE: u16 = 0x90C3;
    pub(crate) const GET_LARGE_THUMB: u16 = 0x90C4;
    pub(crate) const CHECK_EVENT: u16 = 0x90C7;
    pub(crate) const DEVICE_READY: u16 = 0x90C8;
    pub(crate) const GET_VENDOR_PROP_CODES: u16 = 0x90CA;
    pub(crate) const AF_CAPTURE_SDRAM: u16 = 0x90CB;
    pub(crate) const START_LIVE_VIEW: u16 = 0x9201;
    pub(crate) const END_LIVE_VIEW: u16 = 0x9202;
    pub(crate) const GET_LIVE_VIEW_IMAGE: u16 = 0x9203;
    pub(crate) const MF_DRIVE: u16 = 0x9204;
    pub(crate) const CHANGE_AF_AREA: u16 = 0x9205;
    pub(crate) const AF_DRIVE_CANCEL: u16 = 0x9206;
    pub(crate) const CAPTURE_TO: u16 = 0x9207;
    pub(crate) const TERMINATE_CAPTURE: u16 = 0x920C;

    /// Every operation of the body, as GetDeviceInfo lists them.
    pub(crate) const ALL: &[u16] = &[
        GET_DEVICE_INFO,
        OPEN_SESSION,
        CLOSE_SESSION,
        GET_STORAGE_IDS,
        GET_STORAGE_INFO,
        GET_NUM_OBJECTS,
        GET_OBJECT_HANDLES,
        GET_OBJECT_INFO,
        GET_OBJECT,
        GET_THUMB,
        DELETE_OBJECT,
        INITIATE_CAPTURE,
        GET_PROP_DESC,
        GET_PROP_VALUE,
        SET_PROP_VALUE,
        GET_PARTIAL_OBJECT,
        CAPTURE,
        AF_DRIVE,
        SET_CONTROL_MODE,
        DELETE_SDRAM_IMAGE,
        GET_LARGE_THUMB,
        CHECK_EVENT,
        DEVICE_READY,
        GET_VENDOR_PROP_CODES,
        AF_CAPTURE_SDRAM,
        START_LIVE_VIEW,
        END_LIVE_VIEW,
        GET_LIVE_VIEW_IMAGE,
        MF_DRIVE,
        CHANGE_AF_AREA,
        AF_DRIVE_CANCEL,
        CAPTURE_TO,
        TERMINATE_CAPTURE,
    ];
}

/// Response codes.
pub(super) mod rc {
    pub(crate) const OK: u16 = 0x2001;
    pub(crate) const GENERAL_ERROR: u16 = 0x2002;
    pub(crate) const SESSION_NOT_OPEN: u16 = 0x2003;
    pub(crate) const OPERATION_NOT_SUPPORTED: u16 = 0x2005;
    pub(crate) const INVALID_STORAGE: u16 = 0x2008;
    pub(crate) const INVALID_HANDLE: u16 = 0x2009;
    pub(crate) const PROPERTY_NOT_SUPPORTED: u16 = 0x200A;
    pub(crate) const STORE_FULL: u16 = 0x200C;
    pub(crate) const ACCESS_DENIED: u16 = 0x200F;
    pub(crate) const NO_THUMBNAIL: u16 = 0x2010;
    pub(crate) const DEVICE_BUSY: u16 = 0x2019;
    pub(crate) const INVALID_VALUE: u16 = 0x201C;
    pub(crate) const INVALID_PARAMETER: u16 = 0x201D;
    pub(crate) const SESSION_ALREADY_OPEN: u16 = 0x201E;
    pub(crate) const INVALID_STATUS: u16 = 0xA004;
    pub(crate) const NO_LIVE_VIEW: u16 = 0xA00B;
    pub(crate) const FOCUS_LIMIT: u16 = 0xA00C;
    pub(crate) const FOCUS_STEP_TOO_SMALL: u16 = 0xA00E;
    pub(crate) const BULB_OPEN: u16 = 0xA200;
}

/// Event codes.
pub(super) mod event {
    pub(crate) const OBJECT_ADDED: u16 = 0x4002;
    pub(crate) const OBJECT_REMOVED: u16 = 0x4003;
    pub(crate) const PROP_CHANGED: u16 = 0x4006;
    pub(crate) const STORE_FULL: u16 = 0x400A;
    pub(crate) const CAPTURE_COMPLETE: u16 = 0x400D;
    pub(crate) const OBJECT_ADDED_IN_SDRAM: u16 = 0xC101;

    /// Every event of the body, as GetDeviceInfo lists them.
    pub(crate) const ALL: &[u16] =
        &[OBJECT_ADDED, OBJECT_REMOVED, PROP_CHANGED, STORE_FULL, CAPTURE_COMPLETE, OBJECT_ADDED_IN_SDRAM];
}

/// Property codes that the body's own workings read or write; the rest are rows of the table in `properties`.
pub(super) mod prop {
    pub(crate) const BATTERY_LEVEL: u16 = 0x5001;
    pub(crate) const IMAGE_SIZE: u16 = 0x5003;
    pub(crate) const COMPRESSION: u16 = 0x5004;
    pub(crate) const F_NUMBER: u16 = 0x5007;
    pub(crate) const FOCAL_LENGTH: u16 = 0x5008;
    pub(crate) const FOCUS_MODE: u16 = 0x500A;
    pub(crate) const EXPOSURE_TIME: u16 = 0x500D;
    pub(crate) const EXPOSURE_PROGRAM: u16 = 0x500E;
    pub(crate) const ISO: u16 = 0x500F;
    pub(crate) const DATE_TIME: u16 = 0x5011;
    pub(crate) const SHUTTER: u16 = 0xD100;
    pub(crate) const EXPOSURE_REMAINING: u16 = 0xD1F1;
    pub(crate) const RECORDING_MEDIA: u16 = 0xD10B;
    pub(crate) const AUTOFOCUS_MODE: u16 = 0xD161;
    pub(crate) const LIVE_VIEW_STATUS: u16 = 0xD1A2;
    pub(crate) const LIVE_VIEW_PROHIBIT: u16 = 0xD1A4;
}
