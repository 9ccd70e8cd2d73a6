//! The sockets of a tree.

use std::collections::{BTreeSet, HashMap, HashSet};

use fleet_core::Measures;
use fleet_os::{ProcessFiles, Socket, SocketState};
use serde_json::{Value, json};

use crate::sum::{Known, Missing, known};

/// Descriptors of one process that are looked at; with more its sockets are unknown, because each
/// costs a system call.
const MOST_DESCRIPTORS: usize = 16_384;

/// Listening ports that one sample names.
const MOST_PORTS: usize = 256;

/// Sockets that one sample describes.
const MOST_DETAILS: usize = 1000;

/// The sockets that a process has open, by their inodes, and the network namespace that it is in,
/// if it has any.
#[derive(Clone, Debug)]
pub(crate) struct Sockets(Known<(Vec<u64>, Option<u64>)>);

impl Sockets {
    pub(crate) fn of(files: &mut ProcessFiles<'_>) -> Sockets {
        Sockets(Sockets::read(files))
    }

    fn read(files: &mut ProcessFiles<'_>) -> Known<(Vec<u64>, Option<u64>)> {
        let mut inodes = Vec::new();
        if !known(files.socket_inodes(MOST_DESCRIPTORS, &mut inodes))? {
            return Err(Missing::Withheld);
        }
        let namespace = match inodes.is_empty() {
            true => None,
            false => Some(known(files.network_namespace())?),
        };
        Ok((inodes, namespace))
    }
}

/// All sockets of each network namespace that a member is in, by inode. Read once a round, and only
/// when a member has a socket.
#[derive(Debug, Default)]
pub(crate) struct SocketTables {
    tables: HashMap<u64, Known<HashMap<u64, Socket>>>,
}

impl SocketTables {
    /// Those of a process's sockets that speak TCP or UDP, as they are now.
    fn find(&mut self, sockets: &Sockets, files: &mut ProcessFiles<'_>) -> Known<Vec<Socket>> {
        let (inodes, namespace) = sockets.0.as_ref().map_err(|missing| *missing)?;
        let Some(namespace) = namespace else { return Ok(Vec::new()) };
        let table = self.tables.entry(*namespace).or_insert_with(|| {
            let sockets = known(files.sockets())?;
            Ok(sockets.into_iter().map(|socket| (socket.inode, socket)).collect())
        });
        let table = table.as_ref().map_err(|missing| *missing)?;
        Ok(inodes.iter().filter_map(|inode| table.get(inode).copied()).collect())
    }
}

/// The sockets of a tree, each once.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    sockets: Vec<(Socket, i32)>,
    seen: HashSet<u64>,
    known: bool,
    withheld: bool,
}

impl Connections {
    /// Adds those of a member.
    pub(crate) fn add(
        &mut self,
        pid: i32,
        sockets: &Sockets,
        files: &mut ProcessFiles<'_>,
        tables: &mut SocketTables,
    ) {
        match tables.find(sockets, files) {
            Ok(sockets) => {
                self.known = true;
                for socket in sockets {
                    if self.seen.insert(socket.inode) {
                        self.sockets.push((socket, pid));
                    }
                }
            }
            Err(Missing::Gone) => {}
            Err(Missing::Withheld) => self.withheld = true,
        }
    }

    /// Those of a member cannot be known.
    pub(crate) fn withhold(&mut self) {
        self.withheld = true;
    }

    /// Whether nothing was withheld.
    fn is_known(&self) -> bool {
        self.known && !self.withheld
    }

    fn count(&self, which: impl Fn(&Socket) -> bool) -> Option<u64> {
        Some(self.sockets.iter().filter(|(socket, _)| which(socket)).count() as u64)
    }

    fn in_states(&self, states: &[SocketState]) -> Option<u64> {
        self.count(|s| s.protocol.is_tcp() && states.contains(&s.state))
    }

    /// How many there are, by state.
    pub(crate) fn measure(&self, measures: &mut Measures) {
        use SocketState::{
            CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, Listening, SynReceived,
            SynSent,
        };
        if !self.is_known() {
            return;
        }
        measures.connections = self.count(|s| s.protocol.is_tcp() && s.state != Listening);
        measures.connections_established = self.in_states(&[Established]);
        measures.connections_opening = self.in_states(&[SynSent, SynReceived]);
        measures.connections_closing = self.in_states(&[FinWait1, FinWait2, Closing, LastAck]);
        measures.connections_close_wait = self.in_states(&[CloseWait]);
        measures.sockets_listening = self.in_states(&[Listening]);
        measures.sockets_udp = self.count(|s| !s.protocol.is_tcp());
    }

    /// The ports that the tree listens on for TCP, if any.
    pub(crate) fn ports(&self) -> Option<Value> {
        let listening = self.sockets.iter().map(|(socket, _)| socket).filter(|s| is_listening(s));
        let ports: BTreeSet<u16> = listening.map(|socket| socket.local.port()).collect();
        let known = self.is_known() && !ports.is_empty();
        known.then(|| ports.into_iter().take(MOST_PORTS).collect())
    }

    /// Each socket, listening ones first, and how many were left out.
    pub(crate) fn details(&mut self) -> Option<(Value, u64)> {
        if !self.is_known() {
            return None;
        }
        self.sockets.sort_by_key(|(s, pid)| (!is_listening(s), s.local, s.remote, *pid));
        let details = self.sockets.iter().take(MOST_DETAILS).map(detail).collect();
        Some((details, self.sockets.len().saturating_sub(MOST_DETAILS) as u64))
    }
}

fn is_listening(socket: &Socket) -> bool {
    socket.protocol.is_tcp() && socket.state == SocketState::Listening
}

fn detail((socket, pid): &(Socket, i32)) -> Value {
    let mut detail = json!({
        "protocol": socket.protocol.word(),
        "state": socket.state.word(),
        "local": socket.local.to_string(),
        "pid": pid,
    });
    if socket.remote.port() != 0 {
        detail["remote"] = socket.remote.to_string().into();
    }
    detail
}
