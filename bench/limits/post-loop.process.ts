import { Pool } from 'undici';
import { serve } from '../lab/child.js';

/** The limit of all that notifies: the same POST in a loop over 64 connections, nothing else. */
export interface PostLoop {
  readonly origin: string;
  readonly requests: number;
}

const CONNECTIONS = 64;
const BODY = 'agent_status=available&agent_type=local&event_source=api&agent_id=136&extension_name=000*094%40ringme.ru';
const HEADERS = { 'content-type': 'application/x-www-form-urlencoded' };

serve<PostLoop>(async ({ origin, requests }) => {
  const pool = new Pool(origin, { connections: CONNECTIONS });
  let left = requests;
  const loop = async (): Promise<void> => {
    while (left-- > 0) {
      const { body } = await pool.request({ method: 'POST', path: '/login', headers: HEADERS, body: BODY });
      await body.dump();
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, loop));
  await pool.close();
  return null;
});
