//! An API server that is away.

use anyhow::Result;

use super::super::{Testbed, control, daemon};

impl Testbed {
    /// Kills the API server; what it knows stays in etcd. Harmless when it is away.
    ///
    /// # Errors
    /// When it does not die.
    pub fn stop_api_server(&self) -> Result<()> {
        let _turn = self.take_turn()?;
        daemon::stop(&self.layout, control::API_SERVER)
    }

    /// Starts it again and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start_api_server(&self) -> Result<()> {
        let _turn = self.take_turn()?;
        control::start_server(&self.layout, &self.cache)?;
        self.wait_for_api_server()
    }
}
