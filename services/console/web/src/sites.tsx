import { Code, Table } from '@mantine/core';
import type { Site } from './api';
import { Section } from './section';

/** Hosted sites and what each serves. */
export function Sites({ sites }: { readonly sites: readonly Site[] }) {
  const empty = sites.length === 0 && 'No sites yet: espalier site create NAME --staging DIR';
  return (
    <Section title="Sites" empty={empty}>
      <Table verticalSpacing="sm">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Name</Table.Th>
            <Table.Th>Live</Table.Th>
            <Table.Th>Tree</Table.Th>
            <Table.Th>Staging directory</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {sites.map((site) => (
            <Table.Tr key={site.name}>
              <Table.Td fw={600}>{site.name}</Table.Td>
              <Table.Td>{site.liveSequence === '0' ? 'nothing' : `#${site.liveSequence}`}</Table.Td>
              <Table.Td>
                <Code>{site.liveTreeDigest.slice(0, 12) || '-'}</Code>
              </Table.Td>
              <Table.Td>
                <Code>{site.staging}</Code>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Section>
  );
}
