//! What a workload's tasks stalled on.

use super::{Malformed, need};
use crate::api::{
    proto,
    view::{Block, Lacks, Latency, Pressure, Pressures, Reclaim, Stalls},
};

impl From<Stalls> for proto::Stalls {
    fn from(stalls: Stalls) -> Self {
        Self {
            reclaim: stalls.reclaim.map(Into::into),
            memory: stalls.memory.map(Into::into),
            block: stalls.block.map(Into::into),
            pressure: Some(stalls.pressure.into()),
        }
    }
}

impl TryFrom<proto::Stalls> for Stalls {
    type Error = Malformed;

    fn try_from(stalls: proto::Stalls) -> Result<Self, Malformed> {
        Ok(Self {
            reclaim: stalls.reclaim.map(TryInto::try_into).transpose()?,
            memory: stalls.memory.map(Into::into),
            block: stalls.block.map(TryInto::try_into).transpose()?,
            pressure: need(stalls.pressure, "pressure")?,
        })
    }
}

impl From<Reclaim> for proto::Reclaim {
    fn from(reclaim: Reclaim) -> Self {
        Self {
            limit: Some(reclaim.limit.into()),
            node: Some(reclaim.node.into()),
        }
    }
}

impl TryFrom<proto::Reclaim> for Reclaim {
    type Error = Malformed;

    fn try_from(reclaim: proto::Reclaim) -> Result<Self, Malformed> {
        Ok(Self {
            limit: need(reclaim.limit, "limit")?,
            node: need(reclaim.node, "node")?,
        })
    }
}

impl From<Lacks> for proto::Lacks {
    fn from(lacks: Lacks) -> Self {
        Self {
            working_set_bytes: lacks.working_set_bytes,
            refaults_anon: lacks.refaults_anon,
            refaults_file: lacks.refaults_file,
            major_faults: lacks.major_faults,
            high: lacks.high,
            max: lacks.max,
            oom: lacks.oom,
        }
    }
}

impl From<proto::Lacks> for Lacks {
    fn from(lacks: proto::Lacks) -> Self {
        Self {
            working_set_bytes: lacks.working_set_bytes,
            refaults_anon: lacks.refaults_anon,
            refaults_file: lacks.refaults_file,
            major_faults: lacks.major_faults,
            high: lacks.high,
            max: lacks.max,
            oom: lacks.oom,
        }
    }
}

impl From<Block> for proto::Block {
    fn from(block: Block) -> Self {
        Self {
            read: Some(block.read.into()),
            read_bytes: block.read_bytes,
            written: Some(block.written.into()),
            written_bytes: block.written_bytes,
            queued: Some(block.queued.into()),
        }
    }
}

impl TryFrom<proto::Block> for Block {
    type Error = Malformed;

    fn try_from(block: proto::Block) -> Result<Self, Malformed> {
        Ok(Self {
            read: need(block.read, "read")?,
            read_bytes: block.read_bytes,
            written: need(block.written, "written")?,
            written_bytes: block.written_bytes,
            queued: need(block.queued, "queued")?,
        })
    }
}

impl From<Latency> for proto::Latency {
    fn from(latency: Latency) -> Self {
        Self {
            count: latency.count,
            total_ns: latency.total_ns,
            p50_ns: latency.p50_ns,
            p99_ns: latency.p99_ns,
        }
    }
}

impl From<proto::Latency> for Latency {
    fn from(latency: proto::Latency) -> Self {
        Self {
            count: latency.count,
            total_ns: latency.total_ns,
            p50_ns: latency.p50_ns,
            p99_ns: latency.p99_ns,
        }
    }
}

impl From<Pressures> for proto::Pressures {
    fn from(pressures: Pressures) -> Self {
        Self {
            cpu: pressures.cpu.map(Into::into),
            memory: pressures.memory.map(Into::into),
            io: pressures.io.map(Into::into),
        }
    }
}

impl From<proto::Pressures> for Pressures {
    fn from(pressures: proto::Pressures) -> Self {
        Self {
            cpu: pressures.cpu.map(Into::into),
            memory: pressures.memory.map(Into::into),
            io: pressures.io.map(Into::into),
        }
    }
}

impl From<Pressure> for proto::Pressure {
    fn from(pressure: Pressure) -> Self {
        Self {
            some_bp: pressure.some_bp,
            some_ns: pressure.some_ns,
            full_bp: pressure.full_bp,
            full_ns: pressure.full_ns,
        }
    }
}

impl From<proto::Pressure> for Pressure {
    fn from(pressure: proto::Pressure) -> Self {
        Self {
            some_bp: pressure.some_bp,
            some_ns: pressure.some_ns,
            full_bp: pressure.full_bp,
            full_ns: pressure.full_ns,
        }
    }
}
