import koffi from 'koffi';

/** Stops watching; the descriptor stays open. */
export interface Watch {
  close(): void;
}

/** Calls `onWritable` once, on the event loop, when the descriptor takes octets or has failed. Makes it non-blocking. Keeps the process alive. */
export function whenWritable(fd: number, onWritable: () => void): Watch {
  let open = true;
  const handle = koffi.node.poll(fd, { writable: true, disconnect: true }, () => {
    // As below.
    setImmediate(() => {
      if (!open) return;
      watch.close();
      onWritable();
    });
  });
  const watch: Watch = {
    close: () => {
      if (!open) return;
      open = false;
      handle.close();
    },
  };
  return watch;
}

/**
 * Calls `onReadable` on the event loop whenever the descriptor has something to read, the end of the stream and errors included.
 * Level-triggered: the callback must read, or close the watch. Makes the descriptor non-blocking. Keeps the process alive.
 */
export function watchReadable(fd: number, onReadable: () => void): Watch {
  let open = true;
  let scheduled = false;
  // koffi calls back straight from libuv, where promises and ticks would not run afterwards and an exception has nobody to catch
  // it; the check phase of the same turn is an ordinary callback.
  const handle = koffi.node.poll(fd, { readable: true, disconnect: true }, () => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      if (open) onReadable();
    });
  });
  return {
    close: () => {
      if (!open) return;
      open = false;
      handle.close();
    },
  };
}
