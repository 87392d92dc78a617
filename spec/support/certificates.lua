-- Certificates for specs, made on the spot by the openssl command.
--
--   local certificates = require "spec.support.certificates"
--   local ca = certificates.authority "Spec CA"
--   local own = ca:issue { names = { "localhost", "127.0.0.1" } }
--   local late = ca:issue { names = { "localhost" }, from_days = -30, to_days = -3 }
--   local me = ca:issue { cn = "alice", for_client = true }
--   local middle = ca:authority "Middle CA"         -- an intermediate; its chain goes along
--   local lonely = certificates.self_signed { names = { "localhost" } }
--   c.cert, c.key        -- files; c.cert holds the chain too
--   c.bundle             -- a file with both
--
-- Keys are P-256 unless `rsa` says how many bits. Everything lies in one directory, which goes when
-- the spec process ends.
local sys = require "spec.support.sys"

local M = {}
local authority = {}
authority.__index = authority

local home
local serial = 0

-- A directory that lives as long as this process: newproxy's __gc runs when its state closes.
local function directory()
  if not home then
    home = sys.temp_dir()
    M.guard = newproxy(true)
    getmetatable(M.guard).__gc = function() sys.remove(home) end
  end
  return home
end

local function run(command)
  local log = directory() .. "/log"
  if os.execute(("openssl %s >%s 2>&1"):format(command, log)) ~= 0 then
    error(("openssl %s: %s"):format(command, sys.read_file(log)), 3)
  end
end

local function new_path(ending)
  serial = serial + 1
  return ("%s/%d.%s"):format(directory(), serial, ending)
end

local function date(days) return os.date("!%Y%m%d%H%M%SZ", os.time() + (days or 0) * 86400) end

local function extensions(how)
  local lines = {}
  if how.is_authority then
    lines[1] = "basicConstraints=critical,CA:true"
    lines[2] = "keyUsage=critical,keyCertSign,cRLSign"
  else
    lines[1] = "basicConstraints=critical,CA:false"
    lines[2] = "extendedKeyUsage=" .. (how.for_client and "clientAuth" or "serverAuth")
  end
  local names = {}
  for i, name in ipairs(how.names or {}) do
    local is_address = name:find("^%d+%.%d+%.%d+%.%d+$") or name:find(":", 1, true)
    names[i] = (is_address and "IP:" or "DNS:") .. name
  end
  if #names > 0 then lines[#lines + 1] = "subjectAltName=" .. table.concat(names, ",") end
  return table.concat(lines, "\n") .. "\n"
end

local function new_key(how)
  local key = new_path "key"
  local algorithm = how.rsa and "RSA -pkeyopt rsa_keygen_bits:" .. how.rsa
    or "EC -pkeyopt ec_paramgen_curve:P-256"
  run(("genpkey -algorithm %s -out %s"):format(algorithm, key))
  return key
end

-- `openssl ca` is the one command that can set both ends of a certificate's life.
local function sign(how, key, issuer)
  local request, cert, config = new_path "csr", new_path "crt", new_path "conf"
  local cn = how.cn or (how.names or {})[1] or "nobody"
  run(("req -new -key %s -subj %s -out %s"):format(key, sys.quote("/CN=" .. cn), request))
  sys.write_file(config .. ".index", "")
  sys.write_file(config .. ".index.attr", "unique_subject = no\n")
  sys.write_file(config, ([[
[ca]
default_ca = here
[here]
database = %s.index
new_certs_dir = %s
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = extensions
[any]
commonName = supplied
[extensions]
%s]]):format(config, directory(), extensions(how)))
  local signer = issuer and ("-cert %s -keyfile %s"):format(issuer.own_cert, issuer.key)
    or ("-selfsign -keyfile %s"):format(key)
  run(("ca -batch -notext -config %s -in %s -out %s %s -startdate %s -enddate %s"):format(config,
    request, cert, signer, date(how.from_days or -1), date(how.to_days or 30)))
  return cert
end

local function finish(how, issuer)
  local key = how.key or new_key(how)
  local own_cert = sign(how, key, issuer)
  local chain = sys.read_file(own_cert) .. (issuer and issuer.chain or "")
  local cert, bundle = new_path "pem", new_path "pem"
  sys.write_file(cert, chain)
  sys.write_file(bundle, chain .. sys.read_file(key))
  return { own_cert = own_cert, cert = cert, key = key, bundle = bundle, pem = chain }
end

function authority:issue(how) return finish(how, self) end

-- An intermediate authority; what it issues carries its certificate along.
function authority:authority(name)
  local made = finish({ cn = name, is_authority = true, names = {} }, self)
  made.chain = made.pem
  return setmetatable(made, authority)
end

function M.authority(name)
  local made = finish({ cn = name, is_authority = true, names = {}, to_days = 365 })
  made.chain = ""
  return setmetatable(made, authority)
end

function M.self_signed(how) return finish(how) end

return M
