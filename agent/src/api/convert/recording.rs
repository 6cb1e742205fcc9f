//! A recording that people switch on and off.

use crate::api::{proto, view::Recording};

impl From<Recording> for proto::RecordingReply {
    fn from(recording: Recording) -> Self {
        Self {
            on: recording.on,
            configured: recording.configured,
            directory: recording.directory,
            bytes: recording.bytes,
            segments: recording.segments,
            trouble: recording.trouble,
        }
    }
}

impl From<proto::RecordingReply> for Recording {
    fn from(recording: proto::RecordingReply) -> Self {
        Self {
            on: recording.on,
            configured: recording.configured,
            directory: recording.directory,
            bytes: recording.bytes,
            segments: recording.segments,
            trouble: recording.trouble,
        }
    }
}
