// The worker of subrosa/client, for bundlers that do not follow the package's own.
import 'subrosa/client-worker';
