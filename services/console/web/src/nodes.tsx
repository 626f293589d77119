import { Badge, Card, Group, SimpleGrid, Stack, Text } from '@mantine/core';
import type { Node } from './api';
import { Section } from './section';

const colours = { online: 'green', offline: 'red', enrolled: 'gray' } as const;

/** Servers by segment, the leader of each first. */
export function Nodes({ nodes }: { readonly nodes: readonly Node[] }) {
  const segments = [...new Set(nodes.map(({ segment }) => segment))].sort();
  const empty = nodes.length === 0 && 'No servers yet: espalier agent --help';
  return (
    <Section title="Servers by segment" empty={empty}>
      <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }} p="md">
        {segments.map((segment) => (
          <Segment
            key={segment}
            name={segment}
            nodes={nodes.filter((node) => node.segment === segment)}
          />
        ))}
      </SimpleGrid>
    </Section>
  );
}

function Segment({ name, nodes }: { readonly name: string; readonly nodes: readonly Node[] }) {
  const leadersFirst = [...nodes].sort((a, b) => Number(b.leader) - Number(a.leader));
  return (
    <Card withBorder padding="md">
      <Group justify="space-between" mb="sm">
        <Text fw={600}>{name}</Text>
        <Text size="xs" c="dimmed">
          {nodes.length} servers
        </Text>
      </Group>
      <Stack gap="xs">
        {leadersFirst.map((node) => (
          <Group key={node.name} justify="space-between" wrap="nowrap">
            <Group gap="xs" wrap="nowrap">
              <Badge color={colours[node.status]} variant="dot" size="sm">
                {node.status}
              </Badge>
              <Text size="sm">{node.name}</Text>
              {node.leader && (
                <Badge color="yellow" variant="light" size="xs">
                  leader
                </Badge>
              )}
            </Group>
            <Text size="xs" c="dimmed" truncate>
              {Object.entries(node.live)
                .map(([site, sequence]) => `${site} #${sequence}`)
                .join(', ') || 'no content'}
            </Text>
          </Group>
        ))}
      </Stack>
    </Card>
  );
}
