/** Contract §1. */
export const API_PREFIX = 'api/ver1.0';
export const CLIENTS_PATH = `${API_PREFIX}/client`;
/** Base of every resource of a client: contract §3. */
export const CLIENT_PATH = `${CLIENTS_PATH}/:client_id`;
export const AGENTS_PATH = `${CLIENT_PATH}/agent/:type`;
export const AGENT_PATH = `${AGENTS_PATH}/:agent_id`;
export const AGENT_EVENTS_OF_AGENT_PATH = `${AGENT_PATH}/event`;
export const AGENT_EVENTS_OF_CLIENT_PATH = `${CLIENT_PATH}/agent_events`;
