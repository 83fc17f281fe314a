/** A login of agent 136, as internal services report it. */
export const LOGIN_ITEM = {
  client_id: '12',
  agent_type: 'local',
  agent_id: 136,
  agent_status: 'available',
  event_source: 'api',
  extension_name: '000*094@ringme.ru',
};
