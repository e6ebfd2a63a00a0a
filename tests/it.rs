//! What is tested against real servers. `REDIS_URL` names them.

mod inventory;
