import { Alert, AppShell, Badge, Container, Group, Loader, Stack, Title } from '@mantine/core';
import { Nodes } from './nodes';
import { Runs } from './runs';
import { Sites } from './sites';
import { useFleet } from './use-fleet';

/** The first page: what runs, what is served, by whom. */
export function Overview() {
  const { fleet, error, connected } = useFleet();
  return (
    <AppShell header={{ height: 56 }} padding="lg">
      <AppShell.Header>
        <Group h="100%" px="lg" justify="space-between">
          <Title order={3} c="green.8">
            Espalier
          </Title>
          <Badge color={connected ? 'green' : 'gray'} variant="dot">
            {connected ? 'live' : 'connecting'}
          </Badge>
        </Group>
      </AppShell.Header>
      <AppShell.Main>
        <Container size="xl">
          {error && (
            <Alert color="red" title="The control plane did not answer" mb="lg">
              {error}
            </Alert>
          )}
          {fleet ? (
            <Stack gap="xl">
              <Runs runs={fleet.runs} />
              <Sites sites={fleet.sites} />
              <Nodes nodes={fleet.nodes} />
            </Stack>
          ) : (
            <Loader color="green" />
          )}
        </Container>
      </AppShell.Main>
    </AppShell>
  );
}
