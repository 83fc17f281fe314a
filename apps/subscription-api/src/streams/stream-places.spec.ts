import { describe, expect, it } from 'vitest';
import { StreamPlaces } from './stream-places.js';

describe('the places for streams', () => {
  it('are bounded for each client and in all', () => {
    const places = new StreamPlaces({ perClient: 2, inAll: 3 });
    places.take(1);
    const leave = places.take(1);
    expect(() => places.take(1)).toThrow(/has 2 streams/);
    places.take(2);
    expect(() => places.take(3)).toThrow(/Too many/);
    leave();
    places.take(3);
    expect(() => places.take(4)).toThrow(/Too many/);
  });

  it('are given back once, and tell when to come again', () => {
    const places = new StreamPlaces({ perClient: 1, inAll: 10 });
    const leave = places.take(1);
    leave();
    leave();
    places.take(1);
    expect(() => places.take(1)).toThrow(expect.objectContaining({ code: 'unavailable', headers: { 'retry-after': '10' } }));
  });
});
