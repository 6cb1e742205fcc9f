//! Calls to systemd about units and their limits (`org.freedesktop.systemd1(5)`).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use zbus::{Connection, zvariant::Value};

use super::{
    drop_in,
    property::{FILES, property},
};
use crate::{
    act::limit_file::LimitFile,
    identity::source::{
        Failure,
        systemd::{
            MANAGER, OBJECT, SERVICE, UNIT, connect, get_as, interface, is_unknown, object, unit_at,
        },
    },
};

/// A unit and its limits, as systemd holds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// Its name.
    pub name: String,
    /// The value of each property, by the file that it stands for.
    pub values: BTreeMap<LimitFile, u64>,
    /// Those that an administrator has set for good.
    pub pinned: BTreeSet<LimitFile>,
}

/// systemd, on a connection that is kept.
#[derive(Clone, Debug)]
pub struct Bus {
    connection: Connection,
}

impl Bus {
    /// Connects to the bus behind this socket.
    ///
    /// # Errors
    /// There is none, or it does not answer.
    pub async fn connect(socket: &Path) -> Result<Self, Failure> {
        let connection = connect(socket).await?;
        Ok(Self { connection })
    }

    /// The unit whose own group is at a path: not one of which it is only a part.
    ///
    /// # Errors
    /// systemd does not answer, or refuses to.
    pub async fn unit_at(&self, path: &str) -> Result<Option<Unit>, Failure> {
        match unit_at(&self.connection, path).await? {
            Some((object, name)) => self.unit(name, &object).await.map(Some),
            None => Ok(None),
        }
    }

    /// The unit of this name, whether or not it runs; one that there is not has no limits.
    ///
    /// # Errors
    /// systemd does not answer, or refuses to.
    pub async fn unit_of(&self, name: &str) -> Result<Unit, Failure> {
        match object(&self.connection, "LoadUnit", name).await? {
            Some(object) => self.unit(name.to_owned(), &object).await,
            None => Ok(Unit::default()),
        }
    }

    async fn unit(&self, name: String, object: &str) -> Result<Unit, Failure> {
        let kind = interface(&name);
        let mut values = BTreeMap::new();
        for file in FILES {
            let property = property(file).unwrap_or_default();
            let value = get_as::<u64>(&self.connection, object, &kind, property).await?;
            values.extend(value.map(|value| (file, value)));
        }
        let drop_ins = get_as::<Vec<String>>(&self.connection, object, UNIT, "DropInPaths").await?;
        let drop_ins = drop_ins.unwrap_or_default();
        Ok(Unit {
            name,
            values,
            pinned: drop_in::pinned(&drop_ins),
        })
    }

    /// Sets limits of a unit until the next boot, all in one call; whether there is such a unit.
    ///
    /// # Errors
    /// systemd does not answer, or refuses to.
    pub async fn set(&self, unit: &str, values: &[(LimitFile, u64)]) -> Result<bool, Failure> {
        let properties: Vec<(&str, Value<'_>)> = values
            .iter()
            .filter_map(|(file, value)| Some((property(*file)?, Value::from(*value))))
            .collect();
        let arguments = (unit, true, properties);
        let call = self.connection.call_method(
            Some(SERVICE),
            OBJECT,
            Some(MANAGER),
            "SetUnitProperties",
            &arguments,
        );
        match call.await {
            Ok(_) => Ok(true),
            Err(error) if is_unknown(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until what was set before is in the kernel's files: systemd answers first and writes
    /// before it reads its next message (`manager_loop` in `src/core/manager.c`).
    ///
    /// # Errors
    /// systemd does not answer.
    pub async fn settled(&self) -> Result<(), Failure> {
        let peer = Some("org.freedesktop.DBus.Peer");
        let call = self
            .connection
            .call_method(Some(SERVICE), OBJECT, peer, "Ping", &());
        call.await?;
        Ok(())
    }
}
