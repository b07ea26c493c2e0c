//! Who may call what: one rule per RPC.
//!
//! Promises: every call of the console consults this table before it does anything; a new RPC does not compile without
//! its rule. Refuses: deciding who somebody is beyond [`caller_role`].

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use tonic::{Request, Status};

/// What a caller may do; each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Looks.
    Viewer,
    /// Asks things of meters.
    Operator,
    /// Changes lines and meters.
    Engineer,
    /// Changes the cluster.
    Admin,
}

/// Every RPC of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rpc {
    /// Cluster.Status
    ClusterStatus,
    /// Cluster.WatchStatus
    ClusterWatchStatus,
    /// Cluster.Drain
    ClusterDrain,
    /// Cluster.Resume
    ClusterResume,
    /// Cluster.Remove
    ClusterRemove,
    /// Cluster.TransferLeader
    ClusterTransferLeader,
    /// Lines.Import
    LinesImport,
    /// Lines.List
    LinesList,
    /// Lines.Get
    LinesGet,
    /// Lines.Remove
    LinesRemove,
    /// Lines.Watch
    LinesWatch,
    /// Lines.Trace
    LinesTrace,
    /// Lines.Scan
    LinesScan,
    /// Meters.Import
    MetersImport,
    /// Meters.List
    MetersList,
    /// Meters.Get
    MetersGet,
    /// Meters.Remove
    MetersRemove,
    /// Meters.SetEnabled
    MetersSetEnabled,
    /// Plant.GetCalendar
    PlantGetCalendar,
    /// Plant.SetCalendar
    PlantSetCalendar,
    /// Plant.ListPolicies
    PlantListPolicies,
    /// Plant.SetPolicy
    PlantSetPolicy,
    /// Plant.RemovePolicy
    PlantRemovePolicy,
    /// Plant.Upcoming
    PlantUpcoming,
    /// Readings.List
    ReadingsList,
    /// Readings.Watch
    ReadingsWatch,
    /// Readings.Export
    ReadingsExport,
    /// Ledger.Summary
    LedgerSummary,
    /// Ledger.Unread
    LedgerUnread,
    /// Commands.Submit
    CommandsSubmit,
    /// Commands.Get
    CommandsGet,
    /// Commands.List
    CommandsList,
    /// Commands.Cancel
    CommandsCancel,
    /// Commands.Watch
    CommandsWatch,
}

impl Rpc {
    /// The least role that may call it.
    pub const fn least_role(self) -> Role {
        match self {
            Self::ClusterStatus | Self::ClusterWatchStatus => Role::Viewer,
            Self::LinesList | Self::LinesGet | Self::LinesWatch => Role::Viewer,
            Self::MetersList | Self::MetersGet => Role::Viewer,
            Self::PlantGetCalendar | Self::PlantListPolicies | Self::PlantUpcoming => Role::Viewer,
            Self::ReadingsList | Self::ReadingsWatch | Self::ReadingsExport => Role::Viewer,
            Self::LedgerSummary | Self::LedgerUnread => Role::Viewer,
            Self::CommandsGet | Self::CommandsList | Self::CommandsWatch => Role::Viewer,
            Self::CommandsSubmit | Self::CommandsCancel => Role::Operator,
            Self::LinesTrace => Role::Operator,
            Self::LinesScan => Role::Engineer,
            Self::LinesImport | Self::LinesRemove => Role::Engineer,
            Self::MetersImport | Self::MetersRemove | Self::MetersSetEnabled => Role::Engineer,
            Self::PlantSetCalendar | Self::PlantSetPolicy | Self::PlantRemovePolicy => Role::Engineer,
            Self::ClusterDrain | Self::ClusterResume | Self::ClusterRemove => Role::Admin,
            Self::ClusterTransferLeader => Role::Admin,
        }
    }
}

/// The role of whoever sent `request`. There are no identities yet: whoever reaches the port counts as admin, so the
/// port has to be kept from strangers by the network. Identities are looked up here once they exist, nowhere else.
fn caller_role<T>(_request: &Request<T>) -> Role {
    Role::Admin
}

/// Where `request` came from, for the log.
pub fn caller<T>(request: &Request<T>) -> String {
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>();
    from.map_or_else(|| "unknown".to_owned(), |ConnectInfo(address)| address.to_string())
}

/// Refuses a caller whose role is below the rule for `rpc`.
pub fn authorize<T>(request: &Request<T>, rpc: Rpc) -> Result<(), Status> {
    permit(caller_role(request), rpc)
}

fn permit(role: Role, rpc: Rpc) -> Result<(), Status> {
    let least = rpc.least_role();
    if role >= least {
        return Ok(());
    }
    let text = format!("{rpc:?} needs the role {least:?}, and the caller has {role:?}: ask an administrator");
    Err(Status::permission_denied(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_may_look_and_change_nothing() {
        assert!(permit(Role::Viewer, Rpc::ClusterStatus).is_ok());
        assert!(permit(Role::Viewer, Rpc::CommandsWatch).is_ok());
        for change in
            [Rpc::CommandsSubmit, Rpc::LinesImport, Rpc::MetersSetEnabled, Rpc::PlantSetPolicy, Rpc::ClusterDrain]
        {
            let refused = permit(Role::Viewer, change).expect_err("a viewer changed something");
            assert_eq!(refused.code(), tonic::Code::PermissionDenied);
        }
    }

    #[test]
    fn valves_need_an_operator_lines_an_engineer_and_nodes_an_admin() {
        assert!(permit(Role::Operator, Rpc::CommandsSubmit).is_ok());
        assert!(permit(Role::Operator, Rpc::LinesRemove).is_err());
        assert!(permit(Role::Engineer, Rpc::LinesRemove).is_ok());
        assert!(permit(Role::Engineer, Rpc::ClusterRemove).is_err());
        assert!(permit(Role::Admin, Rpc::ClusterRemove).is_ok());
    }
}
