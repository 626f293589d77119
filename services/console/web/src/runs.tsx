import { Badge, Code, Progress, Table, Text, Tooltip } from '@mantine/core';
import type { Run } from './api';
import { Section } from './section';

const colours: Readonly<Record<string, string>> = {
  running: 'blue',
  completed: 'green',
  partial: 'yellow',
  failed: 'red',
  cancelled: 'gray',
  queued: 'gray',
};

/** Runs, newest first; a running one shows how far its servers are. */
export function Runs({ runs }: { readonly runs: readonly Run[] }) {
  return (
    <Section title="Runs" empty={runs.length === 0 && 'No runs yet: espalier publish SITE'}>
      <Table.ScrollContainer minWidth={720}>
        <Table verticalSpacing="sm" highlightOnHover>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Run</Table.Th>
              <Table.Th>Site</Table.Th>
              <Table.Th>Status</Table.Th>
              <Table.Th w="28%">Servers</Table.Th>
              <Table.Th>Took</Table.Th>
              <Table.Th>Requested</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {runs.map((run) => (
              <RunRow key={run.runId} run={run} />
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Section>
  );
}

function RunRow({ run }: { readonly run: Run }) {
  return (
    <Table.Tr>
      <Table.Td>
        <Tooltip label={`${run.runId}, asked for by ${run.actor}`}>
          <Code>{run.runId.slice(-12)}</Code>
        </Tooltip>
      </Table.Td>
      <Table.Td>
        {run.site}
        <Text size="xs" c="dimmed">
          {run.dryRun ? `${run.type}, dry run` : run.type}
        </Text>
      </Table.Td>
      <Table.Td>
        <Badge color={colours[run.status] ?? 'gray'} variant="light">
          {run.status}
        </Badge>
        <Text size="xs" c="dimmed">
          {why(run)}
        </Text>
      </Table.Td>
      <Table.Td>
        <Servers run={run} />
      </Table.Td>
      <Table.Td>{run.durationMs > 0 ? `${(run.durationMs / 1000).toFixed(2)} s` : ''}</Table.Td>
      <Table.Td>{run.requestedAt && new Date(run.requestedAt).toLocaleString()}</Table.Td>
    </Table.Tr>
  );
}

function why({ status, phase, nothingChanged, reason, blockingRunId }: Run): string {
  if (status === 'queued' && blockingRunId) return `waits for ${blockingRunId.slice(-12)}`;
  return phase || (nothingChanged ? 'nothing changed' : reason);
}

function Servers({ run }: { readonly run: Run }) {
  const share = (count: number) => (100 * count) / Math.max(1, run.nodesTotal);
  const onlyPrepared = run.nodesPrepared - run.nodesSwitched;
  return (
    <>
      <Progress.Root size="md" aria-label="servers switched, prepared and failed">
        <Progress.Section value={share(run.nodesSwitched)} color="green" />
        <Progress.Section value={share(onlyPrepared)} color="blue" striped />
        <Progress.Section value={share(run.nodesFailed)} color="red" />
      </Progress.Root>
      <Text size="xs" c="dimmed" mt={4}>
        {run.nodesSwitched} of {run.nodesTotal} switched
        {onlyPrepared > 0 && `, ${onlyPrepared} prepared`}
        {run.nodesFailed > 0 && `, ${run.nodesFailed} failed`}
      </Text>
    </>
  );
}
