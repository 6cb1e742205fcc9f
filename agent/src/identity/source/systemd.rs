//! systemd, over D-Bus (`org.freedesktop.systemd1(5)`).

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::net::UnixStream;
use zbus::{
    Connection,
    connection::Builder,
    zvariant::{OwnedObjectPath, OwnedValue, Type},
};

use super::{Failure, Group, Source, answered};
use crate::{
    identity::known::{Known, MOST_DROP_INS, Unit, bounded},
    sense::cgroup::Ids,
};

pub(crate) const SERVICE: &str = "org.freedesktop.systemd1";
pub(crate) const OBJECT: &str = "/org/freedesktop/systemd1";
pub(crate) const MANAGER: &str = "org.freedesktop.systemd1.Manager";
pub(crate) const UNIT: &str = "org.freedesktop.systemd1.Unit";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// systemd behind a bus's socket.
#[derive(Debug)]
pub struct Systemd {
    bus: PathBuf,
    name: Arc<str>,
    connection: Option<Connection>,
}

impl Systemd {
    /// systemd behind the socket of a bus, which need not be there (yet).
    #[must_use]
    pub fn new(bus: &Path) -> Self {
        Self {
            bus: bus.to_owned(),
            name: "systemd".into(),
            connection: None,
        }
    }

    async fn connection(&mut self) -> Result<Connection, Failure> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        let connection = connect(&self.bus).await?;
        Ok(self.connection.insert(connection).clone())
    }

    async fn ask(&mut self, groups: &[Group]) -> Result<Vec<(Ids, Known)>, Failure> {
        let connection = self.connection().await?;
        let mut found = Vec::new();
        for group in groups {
            let unit = self.unit(&connection, &group.path).await?;
            let no_unit = unit.is_none();
            let known = Known {
                unit,
                no_unit,
                ..Known::default()
            };
            found.push((group.ids, known));
        }
        Ok(found)
    }

    async fn unit(&self, bus: &Connection, path: &str) -> Result<Option<Unit>, Failure> {
        let Some((object, name)) = unit_at(bus, path).await? else {
            return Ok(None);
        };
        let kind = interface(&name);
        let description = get_as::<String>(bus, &object, UNIT, "Description").await?;
        let invocation = get_as::<Vec<u8>>(bus, &object, UNIT, "InvocationID").await?;
        let slice = get_as::<String>(bus, &object, &kind, "Slice").await?;
        let drop_ins = get_as::<Vec<String>>(bus, &object, UNIT, "DropInPaths").await?;
        let drop_ins = drop_ins.unwrap_or_default();
        Ok(Some(Unit {
            source: Arc::clone(&self.name),
            name: bounded(name),
            description: bounded(description.unwrap_or_default()),
            slice: slice.filter(|slice| !slice.is_empty()).map(bounded),
            invocation: invocation.and_then(hex),
            drop_ins: drop_ins
                .into_iter()
                .take(MOST_DROP_INS)
                .map(bounded)
                .collect(),
        }))
    }
}

impl Source for Systemd {
    fn concerns(group: &Group) -> bool {
        group.unit
    }

    async fn greet(&mut self) -> Result<String, Failure> {
        let bus = self.connection().await?;
        let version = get(&bus, OBJECT, MANAGER, "Version").await;
        let version = version.inspect_err(|_| self.connection = None)?;
        let version = version.and_then(|value| String::try_from(value).ok());
        Ok(bounded(format!("systemd {}", version.unwrap_or_default())))
    }

    async fn look_up(&mut self, groups: &[Group]) -> Result<Vec<(Ids, Known)>, Failure> {
        let answer = self.ask(groups).await;
        if answer.is_err() {
            self.connection = None;
        }
        answer
    }
}

/// Connects to the bus behind a socket.
pub(crate) async fn connect(bus: &Path) -> Result<Connection, Failure> {
    let stream = answered(UnixStream::connect(bus)).await?;
    let builder = Builder::unix_stream(stream);
    answered(builder.build()).await
}

/// The unit whose own group is at a path, and not one of which it is only a part: its object and its name.
pub(crate) async fn unit_at(
    bus: &Connection,
    path: &str,
) -> Result<Option<(OwnedObjectPath, String)>, Failure> {
    let path = format!("/{path}");
    let Some(object) = object(bus, "GetUnitByControlGroup", &path).await? else {
        return Ok(None);
    };
    let Some(name) = get_as::<String>(bus, &object, UNIT, "Id").await? else {
        return Ok(None);
    };
    let own = get_as::<String>(bus, &object, &interface(&name), "ControlGroup").await?;
    Ok((own.as_deref() == Some(&path)).then_some((object, name)))
}

/// The unit that a method of the manager tells; `None` if there is no such.
pub(crate) async fn object(
    bus: &Connection,
    method: &str,
    argument: &str,
) -> Result<Option<OwnedObjectPath>, Failure> {
    let call = bus.call_method(Some(SERVICE), OBJECT, Some(MANAGER), method, &argument);
    match answered(async { Ok::<_, Failure>(call.await) }).await? {
        Ok(reply) => body(&reply).map(Some),
        Err(error) if is_unknown(&error) => Ok(None),
        Err(error) => Err(failure(&error)),
    }
}

/// An id of 128 bits in hexadecimal digits; none if it is something else.
fn hex(id: Vec<u8>) -> Option<String> {
    let id = u128::from_be_bytes(id.try_into().ok()?);
    Some(format!("{id:032x}"))
}

/// The interface of a unit's kind: `org.freedesktop.systemd1.Service` of `nginx.service`.
pub(crate) fn interface(unit: &str) -> String {
    let kind = unit.rsplit('.').next().unwrap_or_default();
    let mut letters = kind.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let kind: String = first.into_iter().chain(letters).collect();
    format!("{SERVICE}.{kind}")
}

/// A property, if the object has it and it is of this type.
pub(crate) async fn get_as<T>(
    bus: &Connection,
    object: &str,
    interface: &str,
    name: &str,
) -> Result<Option<T>, Failure>
where
    T: TryFrom<OwnedValue>,
{
    let value = get(bus, object, interface, name).await?;
    Ok(value.and_then(|value| T::try_from(value).ok()))
}

async fn get(
    bus: &Connection,
    object: &str,
    interface: &str,
    name: &str,
) -> Result<Option<OwnedValue>, Failure> {
    let arguments = (interface, name);
    let call = bus.call_method(Some(SERVICE), object, Some(PROPERTIES), "Get", &arguments);
    match answered(async { Ok::<_, Failure>(call.await) }).await? {
        Ok(reply) => body(&reply).map(Some),
        Err(error) if is_unknown(&error) => Ok(None),
        Err(error) => Err(failure(&error)),
    }
}

pub(crate) fn body<T>(reply: &zbus::Message) -> Result<T, Failure>
where
    T: serde::de::DeserializeOwned + Type,
{
    reply.body().deserialize().map_err(|error| failure(&error))
}

/// Whether the unit, or the property, is not there (any more).
pub(crate) fn is_unknown(error: &zbus::Error) -> bool {
    let zbus::Error::MethodError(name, ..) = error else {
        return false;
    };
    matches!(
        name.as_str(),
        "org.freedesktop.systemd1.NoSuchUnit"
            | "org.freedesktop.DBus.Error.UnknownObject"
            | "org.freedesktop.DBus.Error.UnknownProperty"
            | "org.freedesktop.DBus.Error.UnknownInterface"
    )
}

impl From<zbus::Error> for Failure {
    fn from(error: zbus::Error) -> Self {
        failure(&error)
    }
}

fn failure(error: &zbus::Error) -> Failure {
    match error {
        zbus::Error::MethodError(name, ..)
            if matches!(
                name.as_str(),
                "org.freedesktop.DBus.Error.ServiceUnknown"
                    | "org.freedesktop.DBus.Error.NameHasNoOwner"
                    | "org.freedesktop.DBus.Error.Spawn.ChildExited"
            ) =>
        {
            Failure::Absent("no systemd on the bus".into())
        }
        zbus::Error::InputOutput(error) => Failure::from(&**error),
        _ => Failure::from_error(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_interfaces() {
        for (unit, expected) in [
            ("nginx.service", "org.freedesktop.systemd1.Service"),
            ("system.slice", "org.freedesktop.systemd1.Slice"),
            ("docker-0a.scope", "org.freedesktop.systemd1.Scope"),
        ] {
            assert_eq!(interface(unit), expected);
        }
    }
}
