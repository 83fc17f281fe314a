import { LiveBoard } from '../board/live-board';
import { session } from './session';

/** The agents of the client that is looked at, live from the first page that shows them until one signs out. */

let running: { readonly client: number; readonly board: LiveBoard } | undefined;

session.subscribe(() => {
  const state = session.get();
  if (running && (state.kind === 'out' || state.client !== running.client)) {
    running.board.stop();
    running = undefined;
  }
});

/** @throws Error where nobody is signed in */
export function liveBoard(): LiveBoard {
  const state = session.get();
  if (state.kind === 'out') throw new Error('nobody is signed in');
  if (!running) {
    running = { client: state.client, board: new LiveBoard() };
    running.board.start();
  }
  return running.board;
}
