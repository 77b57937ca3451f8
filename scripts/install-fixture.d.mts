export function installFixture(name: string): string;
