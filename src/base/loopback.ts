/** True for host names and addresses that only this machine reaches; brackets around IPv6 as in a URL or without. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}
