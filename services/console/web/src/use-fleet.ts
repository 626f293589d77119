import { useEffect, useState } from 'react';
import { type Fleet, readFleet } from './api';

export interface LiveFleet {
  readonly fleet: Fleet | undefined;
  readonly error: string | undefined;
  /** Whether events arrive as they happen. */
  readonly connected: boolean;
}

/** Events come in bursts: one reading serves all that came in this time. */
const burstMs = 80;

/** The fleet, read again whenever the event log says that something happened. */
export function useFleet(): LiveFleet {
  const [live, setLive] = useState<LiveFleet>({
    fleet: undefined,
    error: undefined,
    connected: false,
  });
  useEffect(() => {
    let newest = '0';
    let timer: number | undefined;
    const refresh = async () => {
      timer = undefined;
      try {
        const fleet = await readFleet(newest);
        setLive((before) => ({ ...before, fleet, error: undefined }));
      } catch (error) {
        setLive((before) => ({ ...before, error: (error as Error).message }));
      }
    };
    const stream = new EventSource('/api/v1/events?after=now');
    stream.onopen = () => {
      setLive((before) => ({ ...before, connected: true }));
      void refresh();
    };
    stream.onerror = () => setLive((before) => ({ ...before, connected: false }));
    stream.onmessage = ({ lastEventId }) => {
      newest = lastEventId;
      timer ??= window.setTimeout(refresh, burstMs);
    };
    return () => {
      stream.close();
      window.clearTimeout(timer);
    };
  }, []);
  return live;
}
