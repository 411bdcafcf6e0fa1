/** A profile that imports, and variations of it. */
export const sample: Readonly<Record<string, unknown>> = {
  sallyport: 1,
  name: 'Office',
  uuid: '2D2E7F70-5b0a-4a55-9d7e-3f1c5f0a8b11',
  gateway: 'vpn.office.test',
  localId: 'alice@office.test',
  auth: { method: 'psk', secret: 'correct horse battery staple' },
};

/** The sample with some fields other; `undefined` takes one away. */
export function profileText(changes: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ ...sample, ...changes });
}
