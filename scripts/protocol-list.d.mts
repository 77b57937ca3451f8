export interface Protocol {
  readonly title: string;
  /** Its page, from the root of the repository. */
  readonly page: string;
  readonly parties: readonly {
    readonly name: string;
    readonly role: 'key' | 'blind' | 'rule';
    readonly sees: string;
  }[];
  readonly rows: readonly (string | readonly [number, string] | readonly [number, number, string])[];
}

export const PROTOCOLS: Readonly<Record<string, Protocol>>;
